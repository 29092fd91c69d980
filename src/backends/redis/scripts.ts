import { createHash } from "node:crypto";
import { CacheError } from "../../errors.js";
import type { Command, Connection } from "./connection.js";
import { isReply, isScriptingRefused, mapError } from "./errors.js";
import type { RawKey } from "./names.js";
import { BASE, DROP, LOGGING, MARKED, PUT, SINCE, STORE, SWEEP, TAGGING } from "./script-parts.js";

/*
 * Conventions of all scripts: ARGV[1] is a MessagePack array (pack.ts), ARGV[2] as script-parts.ts says. Keys are named in the array rather than in KEYS, since
 * declaring thousands costs more than the commands. A deadline is text: "" = never, "-" = already past, else milliseconds from now. A change for the log comes as
 * its field and its text; the field "" means none.
 */

/**
 * [key, value]…, mode, stay, [deadline]… (one if all are the same), `1` if MSETNX may be tried: that, with the deadlines after it, is the fastest way to write keys
 * that are all new and all different; a change. Gives what was not stored, as letter and number ("c1 t20"), or false, with nothing done, where the namespace
 * has tags.
 */
export const WRITE_PLAIN = define(`
${BASE}
if P~='' and call('EXISTS',P..'tags')==1 then return false end
local mode,stay=ARGV[3],ARGV[4]=='1'
${MARKED}
${LOGGING}
${PUT}
local a,d=cmsgpack.unpack(ARGV[1]),cmsgpack.unpack(ARGV[5])
local same,n=#d==1 and d[1],0
if mode=='a' then note(ARGV[7],ARGV[8]) end
if ARGV[6]=='1' and redis.pcall('MSETNX',unpack(a))==1 then
  if same~='' then
    for i=1,#a,2 do
      n=n+1
      local px=same or d[n]
      if px~='' then call('PEXPIRE',a[i],px) end
    end
  end
  if mode~='a' then note(ARGV[7],ARGV[8]) end
  return ''
end
local out={}
for i=1,#a,2 do
  n=n+1
  local r=put(a[i],a[i+1],same or d[n])
  if r~='s' then out[#out+1]=r..n end
end
if mode~='a' and #out<n then note(ARGV[7],ARGV[8]) end
return table.concat(out,' ')
`);

/** [key, value, deadline, member, sidecar, sidecar's text or ""]…, mode, stay, the position since which nothing may have changed or "", a change. */
export const WRITE_TAGGED = define(`
${BASE}
local mode,stay,since=ARGV[3],ARGV[4]=='1',ARGV[5]
${MARKED}
${LOGGING}
${SINCE}
${TAGGING}
${STORE}
local a,out=cmsgpack.unpack(ARGV[1]),{}
local covers=since~='' and changed(since)
local sure,stored=mode=='a' and not covers,false
if sure then note(ARGV[6],ARGV[7]) end
for i=1,#a,6 do
  local s=covers and decode(a[i+5]~='' and a[i+5])
  if covers and covers(a[i],s and s.t or {}) then out[#out+1]='c'
  else out[#out+1]=store(a[i],a[i+1],a[i+2],a[i+3],a[i+4],a[i+5]) end
  stored=stored or out[#out]=='s'
end
if stored and not sure then note(ARGV[6],ARGV[7]) end
return table.concat(out)
`);

/** [key, member, sidecar, version or ""]…, a change; `1` deleted, `0` no entry or another version, `t` another type. */
export const REMOVE = define(`
${BASE}
${MARKED}
${LOGGING}
${TAGGING}
${DROP}
local a,out=cmsgpack.unpack(ARGV[1]),{}
note(ARGV[3],ARGV[4])
for i=1,#a,4 do
  local v=a[i+3]~='' and redis.pcall('GET',a[i])
  if v and type(v)=='string' and redis.sha1hex(v)~=a[i+3] then out[#out+1]='0'
  else out[#out+1]=drop(a[i],a[i+1],a[i+2]) end
end
return table.concat(out)
`);

/** [key, member, sidecar, write id]…; deletes an entry only if it is still the write that was tagged: `1`, else `0`. */
export const PURGE = define(`
${BASE}
${MARKED}
${TAGGING}
${SWEEP}
local a,out,sides=cmsgpack.unpack(ARGV[1]),{},{}
for i=3,#a,4 do sides[#sides+1]=a[i] end
local texts=#sides>0 and call('MGET',unpack(sides))
for i=1,#a,4 do out[#out+1]=sweep(a[i],a[i+2],a[i+3],a[i+3]..':'..a[i+1],texts[(i+3)/4]) and '1' or '0' end
swept()
return table.concat(out)
`);

/**
 * The same for the first ARGV[4] members of an index, with the keys and sidecars worked out from them as `Names` does. Gives how many members it has looked at, how many entries it has
 * deleted, and the members whose sidecar it does not know the name of: those stay.
 */
export const PURGE_INDEX = define(`
${BASE}
${MARKED}
${TAGGING}
${SWEEP}
local function sideOf(full)
  local open=string.find(full,'{',1,true)
  local close=open and string.find(full,'}',open+1,true)
  if close and close>open+1 then return P..'s:'..full end
  if not string.find(full,'}',1,true) then return P..'w:{'..full..'}' end
end
local members=call('ZRANGE',I,0,ARGV[4]-1)
local known,fulls,sides,rest={},{},{},{}
for _,member in ipairs(members) do
  local full=W..string.sub(member,(string.find(member,':',1,true) or 0)+1)
  local side=sideOf(full)
  if side then
    known[#known+1]=member
    fulls[#fulls+1]=full
    sides[#sides+1]=side
  else rest[#rest+1]=member end
end
local texts,deleted=#sides>0 and call('MGET',unpack(sides)),0
for i,member in ipairs(known) do
  if sweep(fulls[i],sides[i],string.match(member,'^[^:]*'),member,texts[i]) then deleted=deleted+1 end
end
swept()
return {#members,deleted,rest}
`);

/**
 * [key]…, [sidecar]…: the values (nothing where there is no string), what PTTL says of each, and the sidecars. Without sidecars "", or "?": then the answer is false where the
 * namespace may have some.
 */
export const READ = define(`
local a,call=cmsgpack.unpack(ARGV[1]),redis.call
if ARGV[3]=='?' and call('EXISTS',ARGV[2]..'tags')==1 then return false end
local values,ttls=call('MGET',unpack(a)),{}
for i=1,#a do ttls[i]=values[i] and call('PTTL',a[i]) or -2 end
if #ARGV[3]<2 then return {values,ttls} end
return {values,ttls,call('MGET',unpack(cmsgpack.unpack(ARGV[3])))}
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
${BASE}
${TAGGING}
local a,out=cmsgpack.unpack(ARGV[1]),{}
for i=1,#a,4 do
  local k,side,old,new=a[i],a[i+1],a[i+2],a[i+3]
  local v=redis.pcall('GET',k)
  if type(v)=='string' and string.sub(v,1,#old)==old then
    local s=beside(side)
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

export function define(text: string): Script {
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

  /** Keys are declared only where they have to lead the way: an ACL may let a user read keys, but takes what a script declares for written. */
  #command(name: string, script: string, { route, beside = [], args }: ScriptCall): Command {
    if (!this.#connection.clustered) return [name, script, 0, ...args];
    return [name, script, 1 + beside.length, route, ...beside, ...args];
  }
}

export interface ScriptCall {
  /** The key whose slot the script runs in. */
  route: RawKey;
  /** Other keys of the slot that it touches: while the slot moves, it does not begin unless all of them are in one place. */
  beside?: readonly RawKey[];
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
