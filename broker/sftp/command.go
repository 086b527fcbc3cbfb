package sftp

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"penstock/policy"
)

// Job is one transfer as it was asked for.
type Job struct {
	Kind    string        // sftp, scp, rsync or git
	Need    policy.Rights // before anything is dialled; operations of sftp are asked one by one
	Command string        // what the machine is to run: the words that were decided on, quoted anew; empty: the subsystem sftp

	asked     string
	in        bool   // the vendor sends the files
	paths     []word // as asked for
	recursive bool
	folder    bool // scp -d: the path is one
	beside    bool // rsync has the machine take from, or put into, another folder than the one named
}

// Record is what the recording says of it.
func (j *Job) Record() map[string]any {
	r := map[string]any{"transfer": j.Kind}
	if j.Command != "" {
		r["command"] = j.Command
	}
	if j.asked != j.Command && j.asked != "" {
		r["asked"] = safe(j.asked)
	}
	return r
}

func (j *Job) reader(c *Carrier) reader {
	switch j.Kind {
	case "sftp":
		return newFiles(c)
	case "scp":
		return newCopies(c, j)
	}
	return newStream(c, j)
}

// unreadable refuses a transfer whose command says more than words.
func unreadable(command string, why error) error {
	return &policy.Refusal{Rule: "transfer-command",
		Say: "This file transfer's command cannot be read for sure, so it was not run. Use plain paths, without $ ; | & < > ( ) { } and backquotes, or use sftp.",
		Why: fmt.Sprintf("%s: %v", safe(command), why)}
}

// Parse reads what a channel asks for: kind is exec or subsystem. nil, nil: this
// is no transfer, or a subsystem that policy knows. What looks like one must be understood to its last word.
func Parse(kind, command string) (*Job, error) {
	if kind == "subsystem" {
		if command != "sftp" {
			return nil, nil
		}
		return &Job{Kind: "sftp", Need: policy.Look}, nil
	}
	program, rest, _ := strings.Cut(strings.TrimLeft(command, " "), " ")
	read := programs[path.Base(program)]
	if read == nil || path.Base(program) == "git" && !gitVerb.MatchString(rest) || path.Base(program) == "rsync" && !strings.Contains(rest, "--server") {
		return nil, nil
	}
	words, err := split(command)
	if err != nil {
		return nil, unreadable(command, err)
	}
	if words[0].glob || words[0].quoted != words[0].text {
		return nil, unreadable(command, errShell)
	}
	j := &Job{asked: command}
	said, err := read(j, words[1:])
	if err != nil {
		return nil, unreadable(command, err)
	}
	if j.Kind == "" {
		return nil, nil
	}
	if !installed(words[0].text) {
		return nil, &policy.Refusal{Rule: "transfer-program",
			Say: "The program on the machine is called by its name alone, so that it is the machine's own and not a file that somebody brought. Leave its path out of your client's settings (as rsync's --rsync-path).",
			Why: "transfer by " + safe(words[0].text)}
	}
	j.Command = strings.Join(append([]string{words[0].quoted}, said...), " ")
	return j, nil
}

// installed says whether a machine's program is named, and not a file of the vendor's that is called so: a
// transfer is let through by what it does to files, and a window for files alone runs nothing.
func installed(program string) bool {
	i := strings.LastIndexByte(program, '/')
	return i < 0 || slices.Contains([]string{"/bin", "/usr/bin", "/usr/local/bin", "/usr/lib/git-core", "/usr/libexec/git-core"}, program[:i])
}

var programs = map[string]func(*Job, []word) ([]string, error){
	"scp": (*Job).scp, "rsync": (*Job).rsync, "git": (*Job).git, "sftp-server": (*Job).server,
	"git-upload-pack": gitDirect("upload-pack"), "git-receive-pack": gitDirect("receive-pack"), "git-upload-archive": gitDirect("upload-archive"),
}

func (j *Job) server([]word) ([]string, error) {
	return nil, fmt.Errorf("the server is reached as the subsystem sftp: leave its path out of the client's settings")
}

// scp as its old protocol has it: scp -t PATH takes files, scp -f PATH… gives them.
// Without either it is a copy on the machine, which is a command like others.
func (j *Job) scp(words []word) (said []string, err error) {
	flags := ""
	for len(words) > 0 && strings.HasPrefix(words[0].text, "-") && words[0].text != "-" {
		w := words[0]
		words = words[1:]
		if w.text == "--" {
			break
		}
		flags += w.text[1:]
		said = append(said, w.quoted)
	}
	sink, source := strings.Contains(flags, "t"), strings.Contains(flags, "f")
	if !sink && !source {
		late := func(w word) bool { return strings.HasPrefix(w.text, "-") && strings.ContainsAny(w.text, "tf") }
		if slices.ContainsFunc(words, late) {
			return nil, fmt.Errorf("scp with options in odd places")
		}
		return nil, nil
	}
	if left := strings.Trim(flags, "tfrpdvq"); left != "" || sink && source {
		return nil, fmt.Errorf("scp with options -%s", flags)
	}
	if len(words) == 0 || sink && (len(words) > 1 || words[0].glob) {
		return nil, fmt.Errorf("scp with %d paths", len(words))
	}
	j.Kind, j.in, j.paths, j.recursive = "scp", sink, words, strings.Contains(flags, "r")
	j.folder = strings.Contains(flags, "d")
	j.Need = map[bool]policy.Rights{true: policy.Load, false: policy.Copy}[sink] | policy.Look
	for _, w := range words {
		said = append(said, w.operand())
	}
	return said, nil
}

var (
	gitVerb = regexp.MustCompile(`^ *(upload-pack|receive-pack|upload-archive)( |$)`)
	// The value of -e stands in its own word: an empty one would take the next word, such as --sender, for itself.
	rsyncShort = regexp.MustCompile(`^-[ACDEHIJKLNORSUWXbcdgiklmnopqrtuvxyz0]*(e[A-Za-z0-9.]+)?$`)
)

func (j *Job) git(words []word) ([]string, error) {
	said, err := gitDirect(words[0].text)(j, words[1:])
	return append([]string{words[0].quoted}, said...), err
}

func gitDirect(verb string) func(*Job, []word) ([]string, error) {
	return func(j *Job, words []word) ([]string, error) {
		if len(words) != 1 || words[0].glob || words[0].text == "" {
			return nil, fmt.Errorf("git %s of %d repositories; one is named", verb, len(words))
		}
		j.Kind, j.in, j.paths = "git", verb == "receive-pack", words
		j.Need = map[bool]policy.Rights{true: policy.Load, false: policy.Copy}[j.in] | policy.Look
		return []string{words[0].operand()}, nil
	}
}

// Options that an rsync client gives its server (rsync(1), options.c). The value:
// "" takes none, "=" takes one, "path" takes one that only a receiver may have.
var rsyncLong = map[string]string{
	"append": "", "block-size": "=", "bwlimit": "=", "checksum-choice": "=", "checksum-seed": "=", "compress-choice": "=",
	"compress-level": "=", "copy-unsafe-links": "", "debug": "=", "delay-updates": "", "delete": "", "delete-after": "", "delete-before": "",
	"delete-delay": "", "delete-during": "", "delete-excluded": "", "delete-missing-args": "", "existing": "", "force": "", "from0": "",
	"fsync": "", "fuzzy": "", "group": "", "groupmap": "=", "iconv": "=", "ignore-errors": "", "ignore-existing": "",
	"ignore-missing-args": "", "info": "=", "inplace": "", "links": "", "list-only": "", "log-format": "=", "max-alloc": "=", "max-delete": "=",
	"max-size": "=", "min-size": "=", "mkpath": "", "modify-window": "=", "msgs2stderr": "", "new-compress": "", "no-implied-dirs": "",
	"no-r": "", "no-relative": "", "no-specials": "", "numeric-ids": "", "old-compress": "", "open-noatime": "", "owner": "", "partial": "", "perms": "",
	"preallocate": "", "recursive": "", "remove-sent-files": "", "remove-source-files": "", "safe-links": "", "sender": "", "server": "",
	"size-only": "", "skip-compress": "=", "specials": "", "stats": "", "stderr": "=", "suffix": "=", "super": "", "timeout": "=", "times": "",
	"usermap": "=", "no-iconv": "",
	"backup-dir": "path", "compare-dest": "path", "copy-dest": "path", "link-dest": "path", "partial-dir": "path", "temp-dir": "path",
}

// rsync --server [--sender] OPTIONS . PATH…
func (j *Job) rsync(words []word) (said []string, err error) {
	if len(words) == 0 || words[0].text != "--server" {
		return nil, fmt.Errorf("rsync with --server in another place than the first")
	}
	before := slices.IndexFunc(words, func(w word) bool { return w.text == "." })
	sender := slices.ContainsFunc(words[:max(before, 0)], func(w word) bool { return w.text == "--sender" }) // behind it, it is a path
	dot := -1
	for i := 0; i < len(words) && dot < 0; i++ {
		w := words[i]
		if w.text == "." {
			dot = i
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(w.text, "--"), "=")
		j.beside = j.beside || rsyncLong[name] == "path"
		if i, err = rsyncOption(words, i, sender); err != nil {
			return nil, err
		}
	}
	if dot < 0 || dot == len(words)-1 || !sender && len(words) != dot+2 {
		return nil, fmt.Errorf("rsync without its paths")
	}
	j.Kind, j.in, j.paths = "rsync", !sender, words[dot+1:]
	j.Need = map[bool]policy.Rights{true: policy.Copy, false: policy.Load}[sender] | policy.Look
	for i, w := range words {
		if i <= dot {
			if w.glob {
				return nil, errShell
			}
			said = append(said, w.quoted)
			if strings.HasPrefix(w.text, "--remove-") { // what was sent is deleted
				j.Need |= policy.Load
			}
			continue
		}
		said = append(said, w.operand())
	}
	return said, nil
}

// rsyncOption checks one option; next is the index of its last word.
func rsyncOption(words []word, i int, sender bool) (next int, err error) {
	name, long := strings.CutPrefix(words[i].text, "--")
	if !long {
		if !rsyncShort.MatchString(words[i].text) || words[i].text == "-" {
			return i, fmt.Errorf("rsync with %s: leave out -s and what is unusual", safe(words[i].text))
		}
		return i, nil
	}
	name, _, has := strings.Cut(name, "=")
	takes, known := rsyncLong[name]
	switch {
	case !known || takes == "path" && sender:
		return i, fmt.Errorf("rsync with --%s, which is not carried", safe(name))
	case takes == "" && has:
		return i, fmt.Errorf("rsync with a value of --%s", name)
	case takes != "" && !has:
		i++
		if i >= len(words) || strings.HasPrefix(words[i].text, "-") || words[i].text == "." {
			return i, fmt.Errorf("rsync without a value of --%s", name)
		}
	}
	return i, nil
}
