# Completion of tunneld for fish:
#   tunneld completion fish | source

function __tunneld_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l out (command $program __complete $words "$current" 2>/dev/null)
    or return
    set -l directive (string replace ':' '' -- $out[-1])
    set -e out[-1]
    if set -q out[1]
        printf '%s\n' $out
    else if contains -- "$directive" 0 2
        set -l before (string match -r '^.*=' -- $current)
        for path in (__fish_complete_path (string replace -r '^.*=' '' -- $current))
            echo "$before$path"
        end
    end
end

complete -c tunneld -e
complete -c tunneld -f -a '(__tunneld_complete)'
