/* Records what a process does to the files of one folder, to be preloaded (LD_PRELOAD).

   Each call becomes one record at the end of the trace: a line "kind name offset size", then
   `size` bytes. One writev to a file opened for appending keeps the order over all threads and
   processes. A write is recorded before it is made, a sync when it begins (B) and, once it has
   succeeded, when it ends (S): what was recorded before a B is on the disk at its S. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int trace = -1;
static char folder[PATH_MAX];
static size_t folder_size;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

__attribute__((constructor(101))) static void begin(void) {
    const char *file = getenv("POWERLOSS_TRACE"), *root = getenv("POWERLOSS_FOLDER");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    if (file == NULL || root == NULL || realpath(root, folder) == NULL)
        return;
    folder_size = strlen(folder);
    trace = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* The path below the folder, or NULL when it is none of ours. */
static const char *below(const char *path) {
    if (trace < 0 || strncmp(path, folder, folder_size) != 0 || path[folder_size] != '/')
        return NULL;
    return strchr(path, ' ') == NULL ? path + folder_size + 1 : NULL;
}

static const char *name_of(int file, char *path) {
    char link[64];
    ssize_t size;
    if (trace < 0)
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    size = readlink(link, path, PATH_MAX - 1);
    if (size <= 0)
        return NULL;
    path[size] = 0;
    return below(path);
}

static void record(char kind, const char *name, long long offset, const void *data, size_t size) {
    char head[PATH_MAX + 64];
    struct iovec parts[2];
    if (name == NULL)
        return;
    parts[0].iov_base = head;
    parts[0].iov_len =
        (size_t)snprintf(head, sizeof head, "%c %s %lld %zu\n", kind, name, offset, size);
    parts[1].iov_base = (void *)data;
    parts[1].iov_len = size;
    if (writev(trace, parts, size ? 2 : 1) != (ssize_t)(parts[0].iov_len + size))
        abort(); /* half a record would make all that follow unreadable */
}

ssize_t write(int file, const void *data, size_t size) {
    char path[PATH_MAX];
    record('A', name_of(file, path), 0, data, size);
    return real_write(file, data, size);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    char path[PATH_MAX];
    record('W', name_of(file, path), offset, data, size);
    return real_pwrite(file, data, size, offset);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    char path[PATH_MAX];
    record('W', name_of(file, path), offset, data, size);
    return real_pwrite64(file, data, size, offset);
}

int ftruncate(int file, off_t size) {
    char path[PATH_MAX];
    record('T', name_of(file, path), size, NULL, 0);
    return real_ftruncate(file, size);
}

int ftruncate64(int file, off64_t size) {
    char path[PATH_MAX];
    record('T', name_of(file, path), size, NULL, 0);
    return real_ftruncate64(file, size);
}

static int synced(int file, int (*sync)(int)) {
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    long thread = syscall(SYS_gettid);
    int failed;
    record('B', name, thread, NULL, 0);
    failed = sync(file);
    if (!failed)
        record('S', name, thread, NULL, 0);
    return failed;
}

int fsync(int file) { return synced(file, real_fsync); }

int fdatasync(int file) { return synced(file, real_fdatasync); }

int unlink(const char *path) {
    record('U', below(path), 0, NULL, 0);
    return real_unlink(path);
}
