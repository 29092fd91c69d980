/** Entries that a log keeps, about: whole nodes of the stream are cut off. */
export const LOG_ENTRIES = 10_000;

/** Milliseconds by which the keys that say that there may be marks outlive what they speak of. */
export const MARGIN_MS = 5000;

/** Milliseconds for which the pieces of a value outlive it, for those who are reading them. */
export const PIECES_GRACE_MS = 600_000;

/*
 * What the scripts are made of. ARGV[2] is the prefix of the namespace's internal keys, or "" where a script may touch the slot of its entries alone: indexes of tags
 * and the log are then left to the caller.
 */

/** Where it is, and the command that is called. */
export const BASE = `
local P,call=ARGV[2],redis.call
local W=string.sub(P,1,-11)
local function num(n) return string.format('%.0f',n) end
`;

/** Sets the keys that say that there may be marks, for milliseconds or, below 0, for good. They never come to end sooner. */
export const MARKING = String.raw`
local function marks(names,ms)
  for _,m in ipairs(names) do
    local left=redis.pcall('PTTL',m)
    if type(left)=='number' and left~=-1 then
      if ms<0 then redis.pcall('SET',m,'1') elseif left<ms then redis.pcall('SET',m,'1','PX',num(ms)) end
    end
  end
end
local function marked(ms)
  if P~='' then marks({P..'marks','\0cachectl:marks'},ms) end
end
`;

/** What is wrapped in a way that matters here: placeholders, and lists of pieces. A list's pieces get their deadlines from the entry. */
export const MARKED = String.raw`
${MARKING}
local any=P=='' or redis.pcall('EXISTS',P..'marks','\0cachectl:marks')~=0
local function flags(h)
  if #h<10 or string.sub(h,1,9)~='\255cac\254\r\n\192\1' then return nil end
  local f=string.byte(h,10)
  if f>=128 then return 'p' elseif f>=64 then return 'h' end
end
local function state(k)
  local kind=call('TYPE',k).ok
  if kind~='string' or not any then return kind end
  local mark=flags(call('GETRANGE',k,0,9))
  if mark=='h' then return 'none','h' end
  return kind,mark
end
local function keep(k,ms)
  local v=call('GET',k)
  local a,b,c,d=string.byte(v,13,16)
  local n,base=string.match(string.sub(v,29+((a*256+b)*256+c)*256+d),'^(%d+) %d+ (.+)$')
  n=tonumber(n)
  if not n or n>4194304 or not string.find(base,'%zcachectl:[xy]:') then return end
  for i=0,n-1 do
    if ms<0 then call('PERSIST',base..i) else call('PEXPIRE',base..i,num(ms+${PIECES_GRACE_MS})) end
  end
  if ms~=0 then marked(ms<0 and -1 or ms+${PIECES_GRACE_MS + MARGIN_MS}) end
end
`;

/** Tells the logs that are kept and may be concerned: our own, and those of namespaces that overlap. */
export const LOGGING = String.raw`
local function note(field,text)
  if field=='' then return end
  if call('EXISTS',P..'log')==1 then call('XADD',P..'log','MAXLEN','~',${LOG_ENTRIES},'*',field,text) end
  local all=redis.pcall('SMEMBERS','\0cachectl:listeners')
  if all.err then return end
  for _,L in ipairs(all) do
    if L~=W and (string.sub(L,1,#W)==W or string.sub(W,1,#L)==L) then
      local log=L..'\0cachectl:log'
      local there=redis.pcall('EXISTS',log)
      if there==1 then redis.pcall('XADD',log,'MAXLEN','~',${LOG_ENTRIES},'*',field,text)
      elseif there==0 then redis.pcall('SREM','\0cachectl:listeners',L) end
    end
  end
end
`;

/**
 * Whether a change after a position covers an entry: gives a test of full key and tags. A log without that position has lost something, and covers all. With
 * \`only\` it is asked about that one key.
 */
export const SINCE = `
local function changed(since,only)
  local function all() return true end
  local keys,filters,from={},{},since
  while from do
    local page=call('XRANGE',P..'log',from,'+','COUNT',501)
    if not page[1] or page[1][1]~=from then return all end
    for i=2,#page do
      local f,text=page[i][2][1],page[i][2][2]
      if f~='k' and f~='f' then return all end
      if f=='f' or not only or string.find(text,only,1,true) then
        local ok,a=pcall(cmsgpack.unpack,text)
        if not ok or type(a)~='table' or #a<3 then return all end
        if f=='k' then for j=4,#a do keys[a[j]]=true end else filters[#filters+1]=a end
      end
    end
    from=#page==501 and page[501][1]
  end
  return function(k,tags)
    if keys[k] then return true end
    for _,f in ipairs(filters) do
      if string.sub(k,1,#f[4])==f[4] then
        if f[5]=='' or f[3]~=W then return true end
        local own,n={},0
        for _,tag in ipairs(tags) do own[tag]=true end
        for j=7,#f do if own[f[j]] then n=n+1 end end
        if n>0 and (f[5]~='all' or n==#f-6) then return true end
      end
    end
    return false
  end
end
`;

/** The indexes of tags (`t:` and, while being purged, `p:`) and the registry of tags: sorted sets by expiry, the server's own time, that end with their longest member. */
export const INDEXING = `
local t=call('TIME')
local now=t[1]*1000+math.floor(t[2]/1000)
local function expire(z)
  local top=call('ZREVRANGE',z,0,0,'WITHSCORES')[2]
  if top=='inf' then call('PERSIST',z) elseif top then call('PEXPIREAT',z,num(tonumber(top))) end
end
local function place(z,member,ttl,longest)
  if longest then
    local known=call('ZSCORE',z,member)
    if known and (known=='inf' or (ttl>=0 and tonumber(known)>=now+ttl)) then return false end
  end
  call('ZADD',z,ttl<0 and '+inf' or num(now+ttl),member)
  return true
end
local function tidy(z)
  local dead=call('ZRANGEBYSCORE',z,'-inf',num(now),'LIMIT',0,16)
  if #dead>0 then call('ZREM',z,unpack(dead)) end
  expire(z)
end
`;

/** What has to do with tags beside the indexes: the sidecars, whose names are "" where the namespace has none. */
export const TAGGING = `
${INDEXING}
local R=P..'tags'
local function decode(raw)
  if not raw then return nil end
  local ok,s=pcall(cjson.decode,raw)
  if ok and type(s)=='table' and type(s.t)=='table' and s.i then return s end
  return nil
end
local function beside(side) return side~='' and decode(call('GET',side)) or nil end
local slots={}
local function slot(tag)
  local h=slots[tag]
  if not h then
    h='{'..redis.sha1hex(tag)..'}'
    slots[tag]=h
  end
  return h
end
local function unindex(side,member)
  local s=beside(side)
  if not s then return end
  if P~='' then
    for _,tag in ipairs(s.t) do
      local h=slot(tag)
      call('ZREM',P..'t:'..h,s.i..':'..member)
      call('ZREM',P..'p:'..h,s.i..':'..member)
    end
  end
  call('DEL',side)
end
local function index(id,member,tags,ttl)
  if P=='' then return end
  for _,tag in ipairs(tags) do
    local z=P..'t:'..slot(tag)
    place(z,id..':'..member,ttl)
    tidy(z)
    if place(R,tag,ttl,true) then expire(R) end
  end
end
`;

/** Stores a value under a mode; `s` stored, `c` condition not met, `t` another type is there. Needs `mode` and `stay`, whether a deadline stays. */
export const PUT = `
local function put(k,v,px)
  if px~='-' and mode~='x' then
    local ok
    if px=='' then ok=call('SET',k,v,'NX') else ok=call('SET',k,v,'NX','PX',px) end
    if ok then return 's' end
  end
  local kind,mark=state(k)
  if (mode=='n' and kind~='none') or (mode=='x' and kind=='none') then return 'c' end
  if kind~='none' and kind~='string' then return 't' end
  if mark=='p' then keep(k,0) end
  if stay and kind=='string' then call('SET',k,v,'KEEPTTL')
  elseif px=='-' then call('DEL',k)
  elseif px=='' then call('SET',k,v)
  else call('SET',k,v,'PX',px) end
  return 's'
end
`;

/** {@link PUT}, with the sidecar and the places in the indexes. `text` is the sidecar's, "" for none. Deletes in the same way: `1`, `0` or `t`. */
export const STORE = `
${PUT}
local function store(k,v,px,member,side,text)
  local r=put(k,v,px)
  if r~='s' then return r end
  unindex(side,member)
  local s=text~='' and decode(text)
  local parted=flags(v)=='p'
  if not s and not parted then return r end
  local ttl=call('PTTL',k)
  if ttl==-2 then return r end
  if parted then keep(k,ttl) end
  if s then
    if ttl==-1 then call('SET',side,text) else call('SET',side,text,'PX',num(math.max(1,ttl))) end
    index(s.i,member,s.t,ttl)
  end
  return r
end
`;

export const DROP = `
local function drop(k,member,side)
  local kind,mark=state(k)
  if kind=='none' then
    if mark then call('DEL',k) end
    return '0'
  end
  if kind~='string' then return 't' end
  if mark=='p' then keep(k,0) end
  call('UNLINK',k)
  unindex(side,member)
  return '1'
end
`;

/**
 * Deletes entries that are still the writes that were tagged, and takes their members out of all indexes: what can be done for all of them at once is done by `swept`. ARGV[3], if given, is an
 * index that loses all members.
 */
export const SWEEP = `
local I,gone,places,seen=ARGV[3] or '',{},{},{}
local function leave(z,member)
  local list=places[z] or {}
  places[z]=list
  list[#list+1]=member
end
local function sweep(k,side,id,member,text)
  if I~='' then leave(I,member) end
  local s=not seen[k] and decode(text)
  if not s or s.i~=id then return false end
  seen[k]=true
  gone[#gone+1]=side
  if P~='' then
    for _,tag in ipairs(s.t) do
      local h=slot(tag)
      leave(P..'t:'..h,member)
      if P..'p:'..h~=I then leave(P..'p:'..h,member) end
    end
  end
  local v=redis.pcall('GET',k)
  if type(v)~='string' or redis.sha1hex(v)~=s.d then return false end
  if flags(v)=='p' then keep(k,0) end
  gone[#gone+1]=k
  return true
end
local function swept()
  if #gone>0 then call('UNLINK',unpack(gone)) end
  for z,members in pairs(places) do call('ZREM',z,unpack(members)) end
end
`;
