package policy

// Lines that a person types on Windows. Each works in cmd.exe and in PowerShell, whose
// own > writes UTF-16, which ssh cannot read, while cmd.exe knows no ~; and Notepad puts
// .txt behind a name. There is no blank behind %USERPROFILE%: cd takes the rest of the
// line for the folder, which may have blanks in it.

// KeptOnWindows adds a line to a file of the person's .ssh. The line has no quotes.
func KeptOnWindows(line, file string) string {
	return `cmd /c "cd /d %USERPROFILE%&& (if not exist .ssh md .ssh)&& echo ` + line + ` >> .ssh\` + file + `"`
}

// TakenOnWindows makes what a command prints a file of the person's .ssh. The command has no quotes.
func TakenOnWindows(command, file string) string {
	return `cmd /c "cd /d %USERPROFILE%\.ssh&& ` + command + ` > ` + file + `"`
}
