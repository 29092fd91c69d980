import { wrap } from "../envelope.js";
import { BASE, LOGGING, MARKED, TAGGING } from "./script-parts.js";
import { define } from "./scripts.js";

/** Bytes as Lua writes them in a string. */
const luaText = (bytes: Uint8Array) => Array.from(bytes, (byte) => `\\${String(byte).padStart(3, "0")}`).join("");

/** The header of a value with a soft deadline and nothing else, up to that. */
const STALE_HEADER = luaText(wrap({ value: new Uint8Array(0), staleAt: 0 }).subarray(0, 20));

/**
 * The header of a value (`envelope.ts`) with another soft deadline or meta, made where the value is. `reheaded` gives the bytes of the key's string from its beginning, and how many of the old ones they
 * stand for; nothing where all is as it should be, false where a later version of this program wrote the header. `stale`: "=" as it is, "" none, else the eight bytes. `meta`: "=" as it is, else "+"
 * and the bytes; `sums` are then the checksums of the headers that may become of it: see `headerChecksums`.
 *
 * Without a new meta only a flag changes in what the checksum is about. A CRC is linear: the new one is the old one, exclusive-or that of the bit that changed, taken
 * on over the bytes that follow (Ross N. Williams, "A painless guide to CRC error detection algorithms", 1993).
 */
const HEADING = String.raw`
local function u32(s,at)
  local a,b,c,d=string.byte(s,at,at+3)
  return ((a*256+b)*256+c)*256+d
end
local function bytes4(n)
  n=n%4294967296
  return string.char(math.floor(n/16777216),math.floor(n/65536)%256,math.floor(n/256)%256,n%256)
end
local function flipped(sum,following)
  local steps={}
  for i=0,15 do
    local c=i
    for _=1,4 do
      local low=bit.band(c,1)
      c=bit.rshift(c,1)
      if low==1 then c=bit.bxor(c,0xEDB88320) end
    end
    steps[i]=c
  end
  local c=1
  for _=0,2*following+1 do c=bit.bxor(bit.rshift(c,4),steps[bit.band(c,15)]) end
  return bytes4(bit.bxor(sum,c))
end
local function reheaded(k,stale,meta,sums)
  local h=call('GETRANGE',k,0,27)
  local wrapped,f,n=#h==28 and string.sub(h,1,8)=='\255cac\254\r\n\192',0,0
  if wrapped then
    f,n=string.byte(h,10),u32(h,13)
    if n>65536 or call('STRLEN',k)<28+n then wrapped,f,n=false,0,0
    elseif string.byte(h,9)~=1 or bit.band(f,56)~=0 then return false end
  end
  local was=f%2
  local is=stale=='=' and was or (stale=='' and 0 or 1)
  local soft=stale=='=' and wrapped and string.sub(h,21,28) or (is==1 and stale or '\0\0\0\0\0\0\0\0')
  if meta~='=' then
    local kind=bit.band(f,132)
    local at=(kind==4 and 8 or (kind==128 and 16 or 0))+4*is
    local head='\255cac\254\r\n\192\1'..string.char(kind+2+is)..'\0\0'..bytes4(#meta-1)..string.sub(sums,at+1,at+4)
    return head..soft..string.sub(meta,2),wrapped and 28+n or 0
  end
  if not wrapped then
    if is==1 then return '${STALE_HEADER}'..soft,0 end
    return nil
  end
  if stale=='=' or (was==0 and is==0) then return nil end
  local sum=string.sub(h,17,20)
  if was~=is then sum=flipped(u32(h,17),6+n) end
  return string.sub(h,1,9)..string.char(f-was+is)..string.sub(h,11,16)..sum..soft,28
end
`;

/**
 * [key, deadline or "=" for the one it has, member, sidecar, soft deadline, meta, checksums, version or ""]…, a change; `1` done, `0` no entry or another version, `t` another type, `l` written by a
 * later version of this program.
 */
export const TOUCH = define(`
${BASE}
${MARKED}
${LOGGING}
${TAGGING}
${HEADING}
local a,out=cmsgpack.unpack(ARGV[1]),{}
local function is(k,version) return version=='' or redis.sha1hex(call('GET',k))==version end
for i=1,#a,8 do
  if state(a[i])=='string' and is(a[i],a[i+7]) then note(ARGV[3],ARGV[4]) break end
end
local function rewrite(k,side,stale,meta,sums)
  if stale=='=' and meta=='=' then return '1' end
  local head,from=reheaded(k,stale,meta,sums)
  if head==false then return 'l' end
  if not head then return '1' end
  local s=beside(side)
  local v=(s or #head~=from) and call('GET',k)
  local ours=s and s.d==redis.sha1hex(v)
  local now=v and head..string.sub(v,from+1)
  if #head==from then call('SETRANGE',k,0,head) else call('SET',k,now,'KEEPTTL') end
  if ours then
    s.d=redis.sha1hex(now)
    local ttl=call('PTTL',side)
    if ttl<0 then call('SET',side,cjson.encode(s)) else call('SET',side,cjson.encode(s),'PX',num(math.max(1,ttl))) end
  end
  return '1'
end
for i=1,#a,8 do
  local k,px,member,side=a[i],a[i+1],a[i+2],a[i+3]
  local kind,mark=state(k)
  if kind=='none' then out[#out+1]='0'
  elseif kind~='string' then out[#out+1]='t'
  elseif not is(k,a[i+7]) then out[#out+1]='0'
  elseif px=='-' then
    out[#out+1]='1'
    if mark=='p' then keep(k,0) end
    unindex(side,member)
    call('UNLINK',k)
  else
    local r=rewrite(k,side,a[i+4],a[i+5],a[i+6])
    out[#out+1]=r
    if r=='1' and px~='=' then
      if px=='' then call('PERSIST',k) else call('PEXPIRE',k,px) end
      if mark=='p' then keep(k,tonumber(px) or -1) end
      local s=beside(side)
      if s then
        local ttl=call('PTTL',k)
        if ttl<0 then call('PERSIST',side) else call('PEXPIRE',side,num(math.max(1,ttl))) end
        index(s.i,member,s.t,ttl)
      end
    end
  end
end
return table.concat(out)
`);
