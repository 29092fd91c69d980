import { createHash } from "node:crypto";
import { CacheError } from "../../errors.js";
import type { Command, Connection } from "./connection.js";
import { isReply, isScriptingRefused, mapError } from "./errors.js";
import type { RawKey } from "./names.js";

/*
 * Conventions of all scripts: ARGV[1] is a MessagePack array (pack.ts), ARGV[2] the prefix of the namespace's internal keys. Keys are named in the
 * array rather than in KEYS, since declaring thousands costs more than the commands. A deadline is text: "" = never, "-" = already past,
 * else milliseconds from now.
 */

/** What has to do with tags: the indexes (`t:` and, while being purged, `p:`), the sidecars, the registry of tags. */
const TAGGING = `
local P,call=ARGV[2],redis.call
local R=P..'tags'
local t=call('TIME')
local now=t[1]*1000+math.floor(t[2]/1000)
local function num(n) return string.format('%.0f',n) end
local function decode(raw)
  if not raw then return nil end
  local ok,s=pcall(cjson.decode,raw)
  if ok and type(s)=='table' and type(s.t)=='table' and s.i then return s end
  return nil
end
local function expire(z)
  local top=call('ZREVRANGE',z,0,0,'WITHSCORES')[2]
  if top=='inf' then call('PERSIST',z) elseif top then call('PEXPIREAT',z,num(tonumber(top))) end
end
local function unindex(side,member)
  local s=decode(call('GET',side))
  if not s then return end
  for _,tag in ipairs(s.t) do
    local h='{'..redis.sha1hex(tag)..'}'
    call('ZREM',P..'t:'..h,s.i..':'..member)
    call('ZREM',P..'p:'..h,s.i..':'..member)
  end
  call('DEL',side)
end
local function index(id,member,tags,ttl)
  local score=ttl<0 and '+inf' or num(now+ttl)
  for _,tag in ipairs(tags) do
    local z=P..'t:{'..redis.sha1hex(tag)..'}'
    call('ZADD',z,score,id..':'..member)
    local dead=call('ZRANGEBYSCORE',z,'-inf',num(now),'LIMIT',0,16)
    if #dead>0 then call('ZREM',z,unpack(dead)) end
    expire(z)
    local known=call('ZSCORE',R,tag)
    if not known or (known~='inf' and (ttl<0 or tonumber(known)<now+ttl)) then
      call('ZADD',R,score,tag)
      expire(R)
    end
  end
end
`;

/** Stores a value under a mode; `s` stored, `c` condition not met, `t` another type is there. Needs `call`, `mode`, `keep`. */
const PUT = `
local function put(k,v,px)
  local kind
  if px=='-' then
    kind=call('TYPE',k).ok
    if (mode=='n' and kind~='none') or (mode=='x' and kind=='none') then return 'c' end
    if kind=='none' then return 's' end
    if kind~='string' then return 't' end
    if keep then call('SET',k,v,'KEEPTTL') else call('DEL',k) end
    return 's'
  end
  if mode~='x' then
    local ok
    if px=='' then ok=call('SET',k,v,'NX') else ok=call('SET',k,v,'NX','PX',px) end
    if ok then return 's' end
    if mode=='n' then return 'c' end
  end
  kind=call('TYPE',k).ok
  if kind=='none' then return 'c' end
  if kind~='string' then return 't' end
  if keep then call('SET',k,v,'KEEPTTL') elseif px=='' then call('SET',k,v) else call('SET',k,v,'PX',px) end
  return 's'
end
`;

/**
 * [key, value]…, mode, keep, [deadline]… (one if all are the same), `1` if MSETNX may be tried: that, with the deadlines after it, is the fastest way to write keys
 * that are all new and all different. Gives what was not stored, as letter and number ("c1 t20"), or false, with nothing done, where the namespace
 * has tags.
 */
export const WRITE_PLAIN = define(`
local call=redis.call
if call('EXISTS',ARGV[2]..'tags')==1 then return false end
local mode,keep=ARGV[3],ARGV[4]=='1'
${PUT}
local a,d=cmsgpack.unpack(ARGV[1]),cmsgpack.unpack(ARGV[5])
local same,n=#d==1 and d[1],0
if ARGV[6]=='1' and redis.pcall('MSETNX',unpack(a))==1 then
  if same~='' then
    for i=1,#a,2 do
      n=n+1
      local px=same or d[n]
      if px~='' then call('PEXPIRE',a[i],px) end
    end
  end
  return ''
end
local out={}
for i=1,#a,2 do
  n=n+1
  local r=put(a[i],a[i+1],same or d[n])
  if r~='s' then out[#out+1]=r..n end
end
return table.concat(out,' ')
`);

/** [key, value, deadline, member, sidecar, sidecar's text or ""]…, mode, keep. */
export const WRITE_TAGGED = define(`
${TAGGING}
local mode,keep=ARGV[3],ARGV[4]=='1'
${PUT}
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a,6 do
  local k,member,side,text=a[i],a[i+3],a[i+4],a[i+5]
  local r=put(k,a[i+1],a[i+2])
  out[#out+1]=r
  if r=='s' then
    unindex(side,member)
    local s=text~='' and decode(text)
    if s then
      local ttl=call('PTTL',k)
      if ttl==-1 then call('SET',side,text) elseif ttl>=0 then call('SET',side,text,'PX',num(math.max(1,ttl))) end
      if ttl~=-2 then index(s.i,member,s.t,ttl) end
    end
  end
end
return table.concat(out)
`);

/** [key, deadline, member, sidecar]…; `1` done, `0` no entry, `t` another type. */
export const TOUCH = define(`
${TAGGING}
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a,4 do
  local k,px,member,side=a[i],a[i+1],a[i+2],a[i+3]
  local kind=call('TYPE',k).ok
  if kind=='none' then out[#out+1]='0'
  elseif kind~='string' then out[#out+1]='t'
  else
    out[#out+1]='1'
    if px=='-' then unindex(side,member) call('UNLINK',k)
    else
      if px=='' then call('PERSIST',k) else call('PEXPIRE',k,px) end
      local s=decode(call('GET',side))
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

/** [key, member, sidecar]…; `1` deleted, `0` no entry, `t` another type. */
export const REMOVE = define(`
${TAGGING}
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a,3 do
  local k=a[i]
  local kind=call('TYPE',k).ok
  if kind=='string' then call('UNLINK',k) unindex(a[i+2],a[i+1]) out[#out+1]='1'
  else out[#out+1]=kind=='none' and '0' or 't' end
end
return table.concat(out)
`);

/**
 * [key, member, sidecar, write id]…; deletes an entry only if it is still the write that was tagged: `1`, else `0`. ARGV[3], if not empty, is an index
 * that is being purged, which loses the members dealt with.
 */
export const PURGE = define(`
${TAGGING}
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a,4 do
  local k,member,side,id=a[i],a[i+1],a[i+2],a[i+3]
  local s=decode(call('GET',side))
  local r='0'
  if s and s.i==id then
    local v=redis.pcall('GET',k)
    if type(v)=='string' and redis.sha1hex(v)==s.d then call('UNLINK',k) r='1' end
    unindex(side,member)
  end
  if ARGV[3]~='' then call('ZREM',ARGV[3],id..':'..member) end
  out[#out+1]=r
end
return table.concat(out)
`);

/** [key]…; the SHA-1 of each value, "" where there is no string. */
export const DIGESTS = define(`
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a do
  local v=redis.pcall('GET',a[i])
  out[i]=type(v)=='string' and redis.sha1hex(v) or ''
end
return out
`);

/**
 * [key, sidecar or ""]…, bytes of the beginning that are wanted; five elements for each key: type, PTTL, STRLEN, the beginning, the sidecar. Of what is
 * no string the last three are nothing.
 */
export const FACTS = define(`
local a,call,out=cmsgpack.unpack(ARGV[1]),redis.call,{}
local most=tonumber(ARGV[3])
for i=1,#a,2 do
  local k,side=a[i],a[i+1]
  local kind,n=call('TYPE',k).ok,#out
  out[n+1],out[n+2],out[n+3],out[n+4],out[n+5]=kind,call('PTTL',k),0,'',false
  if kind=='string' then
    out[n+3]=call('STRLEN',k)
    if out[n+3]>=most then out[n+4]=call('GETRANGE',k,0,most-1) end
    if side~='' then out[n+5]=call('GET',side) end
  end
end
return out
`);

/** [key, sidecar, header as read, header as wanted]…; `1` where the header was still the one that was read. */
export const SOFTEN = define(`
${TAGGING}
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a,4 do
  local k,side,old,new=a[i],a[i+1],a[i+2],a[i+3]
  local v=redis.pcall('GET',k)
  if type(v)=='string' and string.sub(v,1,#old)==old then
    local s=decode(call('GET',side))
    call('SETRANGE',k,0,new)
    if s and s.d==redis.sha1hex(v) then
      s.d=redis.sha1hex(new..string.sub(v,#old+1))
      local ttl=call('PTTL',side)
      if ttl<0 then call('SET',side,cjson.encode(s)) else call('SET',side,cjson.encode(s),'PX',num(math.max(1,ttl))) end
    end
    out[#out+1]='1'
  else out[#out+1]='0' end
end
return table.concat(out)
`);

export interface Script {
  text: string;
  sha: string;
}

function define(text: string): Script {
  const trimmed = text.trim();
  return { text: trimmed, sha: createHash("sha1").update(trimmed).digest("hex") };
}

/** Runs scripts by their hash, and knows whether this user may. */
export class Scripts {
  readonly #connection: Connection;
  #allowed = true;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** False once the server has refused scripts as such. */
  get allowed(): boolean {
    return this.#allowed;
  }

  /**
   * @param route the key whose slot the script runs in; on one server any will do
   * @returns the script's reply, or undefined where this user may run no scripts at all
   * @throws CacheError
   */
  async run(script: Script, route: RawKey, ...args: (string | Buffer)[]): Promise<unknown> {
    return (await this.runAll(script, [{ route, args }]))?.[0];
  }

  /** As {@link run}, many at once: the replies in the order of the calls. */
  async runAll(script: Script, calls: readonly ScriptCall[]): Promise<unknown[] | undefined> {
    if (!this.#allowed) {
      this.#connection.checkOpen();
      return undefined;
    }
    const replies = await this.#connection.pipelineRaw(calls.map((call) => this.#command("EVALSHA", script.sha, call)));
    const unknown = calls.flatMap((_, i) => (isNoScript(replies[i]) ? [i] : []));
    if (unknown.length > 0) {
      const commands = calls
        .filter((_, i) => unknown.includes(i))
        .map((call) => this.#command("EVAL", script.text, call));
      for (const [n, reply] of (await this.#connection.pipelineRaw(commands)).entries())
        replies[unknown[n] ?? -1] = reply;
    }
    const refused = replies.find((reply) => reply instanceof Error);
    if (refused === undefined) return replies;
    if (!isScriptingRefused(refused)) throw mapError(refused, this.#connection.target);
    this.#allowed = false;
    return undefined;
  }

  /** A key is declared only where it has to lead the way: an ACL may let a user read keys, but takes what a script declares for written. */
  #command(name: string, script: string, { route, args }: ScriptCall): Command {
    return this.#connection.clustered ? [name, script, 1, route, ...args] : [name, script, 0, ...args];
  }
}

export interface ScriptCall {
  route: RawKey;
  args: readonly (string | Buffer)[];
}

const isNoScript = (reply: unknown) => reply instanceof Error && isReply(reply, "NOSCRIPT");

export function scriptsNeeded(what: string): CacheError {
  return new CacheError(
    "authentication",
    "scripting-not-permitted",
    `the store's user may not run scripts, which ${what} needs`,
    {
      hint: "Allow this user EVAL and EVALSHA (+@scripting) in the server's ACL.",
    },
  );
}
