#compdef tunneld
# Completion of tunneld for zsh: in a directory of $fpath as _tunneld, or
#   source <(tunneld completion zsh)

_tunneld() {
    local program=${(Q)words[1]} current=${(Q)PREFIX} out line value
    local -a given values shown options
    local -i i directive=0
    for ((i = 2; i < CURRENT; i++)); do
        given+=("${(Q)words[i]}")
    done
    if [[ $program == '~/'* ]]; then
        program=$HOME/${program#'~/'}
    fi
    out="$("$program" __complete "${given[@]}" "$current" 2>/dev/null)" || return 1
    directive=${out##*:}
    for line in "${(@f)${out%:*}}"; do
        value=${line%%$'\t'*}
        [[ -n $value ]] || continue
        values+=("$value")
        if [[ $line == *$'\t'* ]]; then
            shown+=("${(r:24:)value} ${line#*$'\t'}")
        else
            shown+=("$value")
        fi
    done
    if (($#values)); then
        ((directive & 2)) && options+=(-S '')
        [[ "$shown" == "$values" ]] || options+=(-l)
        compadd -M 'm:{a-zA-Z}={A-Za-z}' "${options[@]}" -d shown -a values
        return
    fi
    if ((directive & 4)); then
        return 1
    fi
    [[ $current == *=* ]] && compset -P '*='
    _files
}

if [[ $funcstack[1] == _tunneld ]]; then
    _tunneld "$@" # it was found in $fpath
else
    (($+functions[compdef])) || { autoload -Uz compinit && compinit -i }
    compdef _tunneld tunneld
fi
