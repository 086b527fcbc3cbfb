package demo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pkg/sftp"
)

// maxDeviceFile is the most that a file on a demo machine may become, in bytes.
const maxDeviceFile = 64 << 20

// folderFiles shows a folder by sftp, and nothing beside it, with what the
// account may do: everybody lists, copies reads, loads writes and changes.
func folderFiles(root *os.Root, may account) sftp.Handlers {
	f := &deviceFiles{root, may}
	return sftp.Handlers{FileGet: f, FilePut: f, FileCmd: f, FileList: f}
}

type deviceFiles struct {
	root *os.Root
	may  account
}

// inside is a request's path below the root.
func inside(path string) string {
	if p := strings.Trim(path, "/"); p != "" {
		return p
	}
	return "."
}

// Fileread opens a file to be taken out.
func (f *deviceFiles) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	if !f.may.copies {
		return nil, os.ErrPermission
	}
	return f.root.Open(inside(r.Filepath))
}

// Filewrite opens a file to be brought in.
func (f *deviceFiles) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	if !f.may.loads {
		return nil, os.ErrPermission
	}
	flags := os.O_WRONLY
	p := r.Pflags()
	if p.Creat {
		flags |= os.O_CREATE
	}
	if p.Trunc {
		flags |= os.O_TRUNC
	}
	if p.Excl {
		flags |= os.O_EXCL
	}
	file, err := f.root.OpenFile(inside(r.Filepath), flags, 0o600)
	if err != nil {
		return nil, err
	}
	return boundedFile{file}, nil
}

type boundedFile struct{ *os.File }

func (f boundedFile) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at > maxDeviceFile-int64(len(p)) {
		return 0, errors.New("this machine takes no file of that size")
	}
	return f.File.WriteAt(p, at)
}

// Filecmd changes names and attributes.
func (f *deviceFiles) Filecmd(r *sftp.Request) error {
	if !f.may.loads {
		return os.ErrPermission
	}
	path := inside(r.Filepath)
	switch r.Method {
	case "Setstat":
		if r.AttrFlags().Size {
			size := r.Attributes().Size
			if size > maxDeviceFile {
				return os.ErrInvalid
			}
			return f.resize(path, int64(size))
		}
		return nil // owners and times are the machine's own
	case "Rename", "PosixRename":
		return f.root.Rename(path, inside(r.Target))
	case "Remove", "Rmdir":
		return f.root.Remove(path)
	case "Mkdir":
		return f.root.Mkdir(path, 0o700)
	}
	return sftp.ErrSSHFxOpUnsupported // no links on this machine
}

func (f *deviceFiles) resize(path string, size int64) error {
	file, err := f.root.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Truncate(size)
}

// Filelist lists and looks.
func (f *deviceFiles) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	path := inside(r.Filepath)
	if r.Method == "List" {
		entries, err := fs.ReadDir(f.root.FS(), path)
		if err != nil {
			return nil, err
		}
		var all infos
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				all = append(all, info)
			}
		}
		return all, nil
	}
	if r.Method != "Stat" {
		return nil, sftp.ErrSSHFxOpUnsupported
	}
	info, err := f.root.Stat(path)
	if err != nil {
		return nil, err
	}
	return infos{info}, nil
}

type infos []os.FileInfo

// ListAt gives what fits from offset on.
func (l infos) ListAt(to []os.FileInfo, offset int64) (int, error) {
	if offset < 0 || offset >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[offset:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}
