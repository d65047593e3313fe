# Completion of tunneld for bash, which needs bash alone (3.2 or later) and no bash-completion:
#   source <(tunneld completion bash)

_tunneld() {
    local typed=${COMP_LINE:0:COMP_POINT} program current line value about out breaks skip reply
    local unsafe=$'*[][ \t`$\\\\;&|<>(){}*?!"\'#~]*'
    local -i i directive column=0 wide=${COLUMNS:-80}
    local -a words values abouts
    COMPREPLY=()

    # COMP_WORDS is cut at : and = as well. What stands there without a blank between is one word here.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        value=${typed%%[![:blank:]]*}
        if [[ $i -eq 0 || -n $value ]]; then
            words+=("")
        fi
        typed=${typed:${#value}}
        value=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)); then
            value=$typed
        fi
        words[${#words[@]} - 1]+=$value
        typed=${typed:${#value}}
    done
    for ((i = 0; i < ${#words[@]}; i++)); do
        words[i]=${words[i]//[\"\'\\]/}
    done
    current=${words[${#words[@]} - 1]}
    program=${words[0]}
    if [[ $program == "~/"* ]]; then
        program=$HOME/${program:2}
    fi

    out=$("$program" __complete "${words[@]:1}" 2>/dev/null) || return
    directive=${out##*:}
    out=${out%:*}
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        if [[ -z $value || $value == $unsafe ]]; then # it is put into the command line as it is
            continue
        fi
        values+=("$value")
        if ((${#value} > column && ${#value} <= 30)); then
            column=${#value}
        fi
        about=
        if [[ $line == *$'\t'* ]]; then
            about=${line#*$'\t'}
        fi
        abouts+=("$about")
    done <<<"$out"

    # readline replaces what follows the last of its own word breaks; an @ is part of what it replaces.
    breaks=${COMP_WORDBREAKS//@/}
    reply=${current##*["$breaks"]}
    if [[ $COMP_WORDBREAKS == *@* && $reply == *@* ]]; then
        reply=@${reply##*@}
    fi
    skip=$((${#current} - ${#reply}))
    for ((i = 0; i < ${#values[@]}; i++)); do
        reply=${values[i]:skip}
        if [[ ${COMP_TYPE:-9} -eq 63 && ${#values[@]} -gt 1 && -n ${abouts[i]} ]]; then # it is only shown
            printf -v reply '%-*s  %s' "$((column - skip))" "$reply" "${abouts[i]}"
            reply=${reply:0:wide-1}
        fi
        COMPREPLY+=("$reply")
    done
    if ((directive & 2)); then
        compopt -o nospace 2>/dev/null
    fi
    if ((directive & 4)); then
        compopt +o default 2>/dev/null
    fi
}

complete -o default -F _tunneld tunneld
