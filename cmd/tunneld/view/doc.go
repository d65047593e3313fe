// Package view shows reports of tunnels to people at a terminal.
//
// What a report holds may be shown as it is: the words of strangers were made safe where they came in (package foreign).
package view
