package main

import (
	"fmt"
	"io"
	"strings"
)

// printLicences writes a list of the modules with their licences, and the texts, which have to go with each copy of the program.
func printLicences(out io.Writer) error {
	list, err := modules()
	if err != nil {
		return err
	}
	library, err := toolchain()
	if err != nil {
		return err
	}
	var table, texts strings.Builder
	same := make(map[string]int) // text of a licence: its number
	for _, m := range append(list, library) {
		name, text, err := m.licence()
		if err != nil {
			return err
		}
		number := same[text]
		if number == 0 {
			number = len(same) + 1
			same[text] = number
			fmt.Fprintf(&texts, "\n## Text %d\n\n", number)
			for line := range strings.Lines(text + "\n") {
				fmt.Fprintln(&texts, strings.TrimRight("    "+line, " \n"))
			}
		}
		fmt.Fprintf(&table, "| %s | %s | [%d](#text-%d) |\n", m.Path, name, number, number)
	}
	_, err = fmt.Fprintf(out, "# Licences\n\ntunneld is under the MIT licence (LICENSE). The program is built from these modules as well, whose licences go with it;\n"+
		"`make licences` makes this list.\n\n| module | licence | text |\n|---|---|---|\n%s%s", &table, &texts)
	return err
}
