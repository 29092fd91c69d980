import { BIN, COMPLETE } from "../command-host.js";

/** What a shell reads to complete `cache`. Each asks the program at every press of Tab, so that it knows the commands of the version that is installed. */
export const SCRIPTS = {
  bash: `# Completion of ${BIN} for bash. To have it in every shell: ${BIN} completion bash >> ~/.bashrc
_${BIN}_complete() {
  local IFS=$' \\t\\n' directive='' word line
  COMPREPLY=()
  line=$(command ${BIN} ${COMPLETE} bash "\${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null </dev/null) || return 0
  {
    IFS= read -r directive
    while IFS= read -r word; do
      COMPREPLY[\${#COMPREPLY[@]}]=$word
    done
  } <<<"$line"
  case $directive in
    nospace) compopt -o nospace 2>/dev/null ;;
    files) compopt -o default 2>/dev/null ;;
    folders) compopt -o dirnames 2>/dev/null ;;
  esac
  return 0
}
complete -F _${BIN}_complete ${BIN}
`,
  zsh: `#compdef ${BIN}
# Completion of ${BIN} for zsh. To have it in every shell, write it to a file _${BIN} in a folder of your $fpath:
#   ${BIN} completion zsh > "\${fpath[1]}/_${BIN}"
_${BIN}() {
  local IFS=$' \\t\\n\\0'
  local -a answer plain open described more
  local directive keep i
  answer=("\${(@ps:\\0:)$(command ${BIN} ${COMPLETE} zsh "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  directive=$answer[1] keep=$answer[2]
  if [[ -n $keep ]]; then
    [[ $PREFIX == "$keep"* ]] || return 1
    IPREFIX+=$keep
    PREFIX=\${PREFIX#"$keep"}
  fi
  case $directive in
    files) _files; return ;;
    folders) _files -/; return ;;
    cut) compstate[insert]='' ;;
  esac
  for ((i = 3; i + 2 <= $#answer; i += 3)); do
    if [[ -n $answer[i+2] ]]; then
      if [[ -n $answer[i] ]]; then
        more+=("\${answer[i+1]//:/\\\\:}:$answer[i+2]")
      else
        described+=("\${answer[i+1]//:/\\\\:}:$answer[i+2]")
      fi
    elif [[ -n $answer[i] ]]; then
      open+=("$answer[i+1]")
    else
      plain+=("$answer[i+1]")
    fi
  done
  local found=1
  (( $#plain )) && compadd -a plain && found=0
  (( $#open )) && compadd -S '' -a open && found=0
  (( $#described )) && _describe -t words 'word' described && found=0
  (( $#more )) && _describe -t words 'word' more -S '' && found=0
  return found
}
if [[ $funcstack[1] == _${BIN} ]]; then
  _${BIN} "$@"
elif (( $+functions[compdef] )); then
  compdef _${BIN} ${BIN}
else
  print -u2 '${BIN}: completion needs "autoload -Uz compinit && compinit" before this'
fi
`,
  fish: `# Completion of ${BIN} for fish. To have it in every shell:
#   ${BIN} completion fish > ~/.config/fish/completions/${BIN}.fish
function __${BIN}_complete
    set -l words (commandline -opc)
    set -l token (commandline -ct | string collect)
    set -l answer (command ${BIN} ${COMPLETE} fish $words[2..-1] "$token" 2>/dev/null </dev/null)
    set -l keep "$answer[2]"
    switch "$answer[1]"
        case files
            for name in (__fish_complete_path "$answer[3]")
                printf '%s%s\\n' "$keep" "$name"
            end
        case folders
            for name in (__fish_complete_directories "$answer[3]" '')
                printf '%s%s\\n' "$keep" "$name"
            end
        case '*'
            printf '%s\\n' $answer[4..-1]
    end
end
complete -c ${BIN} -e
complete -c ${BIN} -f -k -a '(__${BIN}_complete)'
`,
} as const;

export type Shell = keyof typeof SCRIPTS;

/** How a shell is made to read its script, in one line. */
export const INSTALLING: Readonly<Record<Shell, string>> = {
  bash: `echo 'eval "$(${BIN} completion bash)"' >> ~/.bashrc`,
  zsh: `echo 'eval "$(${BIN} completion zsh)"' >> ~/.zshrc`,
  fish: `${BIN} completion fish > ~/.config/fish/completions/${BIN}.fish`,
};
