import { LISTEN_MS } from "../backend.js";
import { LISTENERS_MS } from "./log.js";
import { BASE, DROP, LOGGING, MARGIN_MS, MARKED, MARKING, SINCE, STORE, TAGGING } from "./script-parts.js";
import { define } from "./scripts.js";

/** Keeps the log for a while, and says where it ends. */
const KEEPING = String.raw`
local function listen(ms)
  local log=P..'log'
  local left,want=call('PTTL',log),math.max(${LISTEN_MS},ms+1000)
  if left==-2 then call('XADD',log,'*','b','') end
  if left<want then
    call('PEXPIRE',log,num(want))
    redis.pcall('SADD','\0cachectl:listeners',W)
    redis.pcall('PEXPIRE','\0cachectl:listeners',${LISTENERS_MS})
  end
  return call('XREVRANGE',log,'+','-','COUNT',1)[1][1]
end
`;

/** [key]…, milliseconds or "-1" for good: sets the keys that say that there may be marks. */
export const MARK = define(`
${BASE}
${MARKING}
marks(cmsgpack.unpack(ARGV[1]),tonumber(ARGV[3]))
`);

/**
 * [key, lease's key or "" for in place, what is put there, version or ""], milliseconds. Answers with a letter: \`l\` taken, and the end of the log; \`h\` held, and for how long; \`c\` another
 * entry is there; \`t\` another type is there.
 */
export const LEASE = define(`
${BASE}
${MARKED}
${KEEPING}
local a,ms=cmsgpack.unpack(ARGV[1]),tonumber(ARGV[3])
local k,side,token,over=a[1],a[2],a[3],a[4]
local kind,mark=state(k)
if kind~='none' and kind~='string' then return {'t'} end
if over~='' then
  if kind=='none' or redis.sha1hex(call('GET',k))~=over then return {'c'} end
elseif kind=='string' then return {'c'} end
if mark=='h' then return {'h',call('PTTL',k)} end
local since=P~='' and listen(ms) or ''
if side=='' then
  marked(ms+${MARGIN_MS})
  call('SET',k,token,'PX',num(ms))
elseif not call('SET',side,token,'NX','PX',num(ms)) then return {'h',call('PTTL',side)} end
return {'l',since}
`);

/** [where the lease is, what is there, "1" if it is in place], milliseconds; 1 if it was ours. */
export const RENEW = define(`
${BASE}
${MARKING}
${KEEPING}
local a,ms=cmsgpack.unpack(ARGV[1]),tonumber(ARGV[3])
if redis.pcall('GET',a[1])~=a[2] then return 0 end
call('PEXPIRE',a[1],num(ms))
if P~='' then listen(ms) end
if a[3]=='1' then marked(ms+${MARGIN_MS}) end
return 1
`);

/** [where the lease is, what is there]. */
export const RELEASE = define(`
local a=cmsgpack.unpack(ARGV[1])
if redis.pcall('GET',a[1])==a[2] then redis.call('DEL',a[1]) end
`);

/**
 * [key, value, deadline, member, sidecar, sidecar's text or "", where the lease is, what is there, version or ""], stay, the position of the lease or "", a change; 1 if the entry was
 * stored. The lease is given back in any case.
 */
export const COMMIT = define(`
${BASE}
local mode,stay,since='a',ARGV[3]=='1',ARGV[4]
${MARKED}
${LOGGING}
${SINCE}
${TAGGING}
${STORE}
local a=cmsgpack.unpack(ARGV[1])
local k,text,at,over=a[1],a[6],a[7],a[9]
local mine=redis.pcall('GET',at)==a[8]
local ok=mine
if mine and at~=k then
  local kind,mark=state(k)
  if over=='' then ok=kind=='none' and not mark else ok=kind=='string' and redis.sha1hex(call('GET',k))==over end
end
if ok and since~='' then
  local s=text~='' and decode(text)
  ok=not changed(since,k)(k,s and s.t or {})
end
if ok then
  note(ARGV[5],ARGV[6])
  ok=store(k,a[2],a[3],a[4],a[5],text)=='s'
end
if mine and (at~=k or not ok) then call('DEL',at) end
return ok and 1 or 0
`);

/**
 * [\`s\` or \`d\`, key, value, deadline, member, sidecar, sidecar's text or "", "1" if the deadline stays]…, a change. Nothing is done where another type is in the way: the number of that step,
 * counted from 1; else 0.
 */
export const ATOMIC = define(`
${BASE}
local mode,stay='a',false
${MARKED}
${LOGGING}
${TAGGING}
${STORE}
${DROP}
local a=cmsgpack.unpack(ARGV[1])
for i=1,#a,8 do
  local kind=state(a[i+1])
  if kind~='none' and kind~='string' then return (i-1)/8+1 end
end
note(ARGV[3],ARGV[4])
for i=1,#a,8 do
  stay=a[i+7]=='1'
  if a[i]=='s' then store(a[i+1],a[i+2],a[i+3],a[i+4],a[i+5],a[i+6]) else drop(a[i+1],a[i+4],a[i+5]) end
end
return 0
`);
