/*
 * Stands between the service and the C library: records what it does to the files of its
 * store, and makes calls fail on demand. Loaded with LD_PRELOAD; the tests compile it.
 *
 * SHIM_FOLDER  the store's folder; files in it whose name contains ".db" are watched, the
 *              shared-memory index (-shm) aside, which is of no use after a power cut.
 * SHIM_RECORD  the file that the record is appended to; nothing is recorded without it.
 * SHIM_SWITCH  a file that may be rewritten at any time: its first byte says how the disk
 *              fails, see `enum fault`; its second, unless 0, that names do not resolve; its
 *              third by how many days the time of day is off, as a signed number.
 *
 * With a switch, names that end in ".test" are this machine's, as long as names resolve.
 *
 * A record is a header of five little-endian 64-bit numbers (kind, file, a, b, length of
 * what follows) and its bytes. The order of the records is the order of the events: a lock
 * is held over each write and its record. Two events are split, so that neither claims too
 * much. A sync covers what was recorded when it began (`a`) and counts once it has returned.
 * An answer to a client is recorded before the first of its bytes is handed over.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
    CREATE = 1,   /* file: new id; bytes: its name */
    WRITE = 2,    /* a: offset; bytes: what was written */
    TRUNCATE = 3, /* a: new length */
    SYNC = 4,     /* a: records before this number are covered */
    UNLINK = 5,   /* bytes: the name */
    RENAME = 6,   /* a: length of the old name; bytes: old name, new name */
    SYNC_DIR = 7, /* a: records before this number are covered */
    ANSWER = 8,   /* a: the client's port; b: the HTTP status */
};

enum fault {
    NOTHING = 0,
    DISK_FULL = 'F', /* what makes a file longer fails with ENOSPC */
    READ_ONLY = 'R', /* every write fails with EROFS */
    SYNC_FAILS = 'S', /* fsync and fdatasync fail with EIO */
    SYNC_OMITTED = 'O', /* fsync and fdatasync do nothing and say that they did */
    BLIND = 'B', /* a name of the store leads to what it led to before, whatever became of it,
                    and the log holds what was written into it */
    STORE_FAILS = 'C', /* every write to the store's own file, not its log, fails with EIO */
};

#define DESCRIPTORS 65536
#define NAMES 256
#define FOLDER UINT32_MAX

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t records;
static int record_fd = -1;
static const volatile signed char *fault_switch;
static int omits_syncs;
static const char *folder;
static size_t folder_length;

/* The file behind each descriptor: 0 for none, FOLDER for the folder itself. */
static uint32_t file_of[DESCRIPTORS];
static struct {
    char name[200];
    uint32_t file;
} names[NAMES];
static uint32_t files;

/* What was written into the log. The service looks at it through a descriptor that did not make
 * the file; SQLite's own may. */
#define SHADOW (64 << 20)
static unsigned char *shadow;
static char looks_at_log[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))real(&real_##name, #name))
#define DECLARE(name) static void *real_##name
DECLARE(open); DECLARE(open64); DECLARE(openat); DECLARE(openat64); DECLARE(close);
DECLARE(pread64); DECLARE(write); DECLARE(pwrite); DECLARE(pwrite64); DECLARE(writev); DECLARE(send);
DECLARE(ftruncate); DECLARE(ftruncate64); DECLARE(fsync); DECLARE(fdatasync);
DECLARE(statx); DECLARE(unlink); DECLARE(rename); DECLARE(getaddrinfo); DECLARE(clock_gettime);

static void *real(void **slot, const char *name) {
    if (!*slot)
        *slot = dlsym(RTLD_NEXT, name);
    return *slot;
}

__attribute__((constructor)) static void begin(void) {
    folder = getenv("SHIM_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    omits_syncs = getenv("SHIM_OMITS_SYNCS") != NULL;
    const char *path = getenv("SHIM_RECORD");
    if (path)
        record_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    path = getenv("SHIM_SWITCH");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        void *page = mmap(NULL, 3, PROT_READ, MAP_SHARED, fd, 0);
        fault_switch = page == MAP_FAILED ? NULL : page;
        page = mmap(NULL, SHADOW, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        shadow = page == MAP_FAILED ? NULL : page;
        syscall(SYS_close, fd);
    }
}

static int fails(char fault) {
    return fault_switch && *fault_switch == fault;
}

/* Appends one record; the lock is held. A record that cannot be kept ends the process: the
 * tests must not believe it. */
static void record(enum kind kind, uint64_t file, uint64_t a, uint64_t b,
                   const struct iovec *parts, int count) {
    if (record_fd < 0)
        return;
    struct iovec all[4];
    uint64_t header[5] = {kind, file, a, b, 0};
    all[0] = (struct iovec){header, sizeof header};
    for (int i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        header[4] += parts[i].iov_len;
    }
    ssize_t whole = (ssize_t)(sizeof header + header[4]);
    if (syscall(SYS_writev, record_fd, all, count + 1) != whole)
        abort();
    records++;
}

static void record_bytes(enum kind kind, uint64_t file, uint64_t a, const void *data, size_t length) {
    struct iovec part = {(void *)data, length};
    record(kind, file, a, 0, &part, 1);
}

/* The watched file's name without its folder, or NULL. */
static const char *watched(const char *path) {
    if (!folder || !path || strncmp(path, folder, folder_length) || path[folder_length] != '/')
        return NULL;
    const char *name = path + folder_length + 1;
    size_t length = strlen(name);
    int is_store = strstr(name, ".db") || strstr(name, ".key");
    if (strchr(name, '/') || !is_store || length >= sizeof names[0].name)
        return NULL;
    return length > 4 && !strcmp(name + length - 4, "-shm") ? NULL : name;
}

static uint32_t *find(const char *name) {
    for (int i = 0; i < NAMES; i++)
        if (names[i].file && !strcmp(names[i].name, name))
            return &names[i].file;
    return NULL;
}

static void bind_name(const char *name, uint32_t file) {
    uint32_t *known = find(name);
    if (known) {
        *known = file;
        return;
    }
    for (int i = 0; i < NAMES; i++)
        if (!names[i].file) {
            strcpy(names[i].name, name);
            names[i].file = file;
            return;
        }
    abort();
}

static void forget(const char *name) {
    uint32_t *known = find(name);
    if (known)
        *known = 0;
}

/* The id of a file that is now open by that name; a new one is recorded. */
static uint32_t identify(const char *name, int existed) {
    uint32_t *known = find(name);
    if (known && existed)
        return *known;
    bind_name(name, ++files);
    record_bytes(CREATE, files, 0, name, strlen(name));
    return files;
}

static int opened(const char *path, int existed, int fd) {
    if (fd < 0 || fd >= DESCRIPTORS)
        return fd;
    const char *name = watched(path);
    if (name)
        file_of[fd] = identify(name, existed);
    else if (folder && !strcmp(path, folder))
        file_of[fd] = FOLDER;
    else
        file_of[fd] = 0;
    return fd;
}

static int is_log(const char *name) {
    return name && !strcmp(name, "tickrelay.db-wal");
}

#define OPEN(function, parameters, arguments)                                          \
    int function parameters {                                                          \
        mode_t mode = 0;                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                           \
            va_list rest;                                                              \
            va_start(rest, flags);                                                     \
            mode = va_arg(rest, mode_t);                                               \
            va_end(rest);                                                              \
        }                                                                              \
        const char *name = watched(path);                                              \
        if (!name && !(folder && !strcmp(path, folder)))                               \
            return REAL(function) arguments;                                           \
        if (fails(READ_ONLY) && (flags & O_ACCMODE) != O_RDONLY) {                     \
            errno = EROFS;                                                             \
            return -1;                                                                 \
        }                                                                              \
        pthread_mutex_lock(&lock);                                                     \
        int existed = faccessat(AT_FDCWD, path, F_OK, 0) == 0;                         \
        if (!existed && fails(DISK_FULL)) {                                            \
            pthread_mutex_unlock(&lock);                                               \
            errno = ENOSPC;                                                            \
            return -1;                                                                 \
        }                                                                              \
        int fd = opened(path, existed, REAL(function) arguments);                      \
        if (fd >= 0 && fd < DESCRIPTORS)                                               \
            looks_at_log[fd] = !(flags & O_CREAT) && is_log(name);                     \
        pthread_mutex_unlock(&lock);                                                   \
        return fd;                                                                     \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS)
        file_of[fd] = looks_at_log[fd] = 0;
    return REAL(close)(fd);
}

static uint32_t file_behind(int fd) {
    uint32_t file = fd >= 0 && fd < DESCRIPTORS ? file_of[fd] : 0;
    return file == FOLDER ? 0 : file;
}

/* Whether a write of that many bytes there must fail; sets errno. */
static int refused(int fd, off_t offset, size_t length) {
    struct stat now;
    if (fails(READ_ONLY)) {
        errno = EROFS;
        return 1;
    }
    if (fails(DISK_FULL) && !fstat(fd, &now) && offset + (off_t)length > now.st_size) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static ssize_t write_at(int fd, uint32_t file, const void *data, size_t length, off_t offset) {
    if (refused(fd, offset, length))
        return -1;
    pthread_mutex_lock(&lock);
    uint32_t *store = find("tickrelay.db");
    if (fails(STORE_FAILS) && store && *store == file) {
        pthread_mutex_unlock(&lock);
        errno = EIO;
        return -1;
    }
    ssize_t written = REAL(pwrite)(fd, data, length, offset);
    int error = errno;
    if (written > 0)
        record_bytes(WRITE, file, (uint64_t)offset, data, (size_t)written);
    uint32_t *log = find("tickrelay.db-wal");
    if (written > 0 && shadow && log && *log == file && offset + written <= SHADOW)
        memcpy(shadow + offset, data, (size_t)written);
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    uint32_t file = file_behind(fd);
    return file ? write_at(fd, file, data, length, offset) : REAL(pwrite)(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    uint32_t file = file_behind(fd);
    return file ? write_at(fd, file, data, length, offset)
                : REAL(pwrite64)(fd, data, length, offset);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t offset) {
    int is_blind = fd >= 0 && fd < DESCRIPTORS && looks_at_log[fd] && fails(BLIND);
    if (!is_blind || !shadow || offset + (off64_t)length > SHADOW)
        return REAL(pread64)(fd, data, length, offset);
    pthread_mutex_lock(&lock);
    memcpy(data, shadow + offset, length);
    pthread_mutex_unlock(&lock);
    return (ssize_t)length;
}

/* Notes an answer that is about to leave on a socket. */
static void note_answer(int fd, const void *data, size_t length) {
    const char *text = data;
    if (record_fd < 0 || length < 12 || memcmp(text, "HTTP/1.1 ", 9))
        return;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) || peer.sin_family != AF_INET)
        return;
    uint64_t status = (uint64_t)((text[9] - '0') * 100 + (text[10] - '0') * 10 + text[11] - '0');
    pthread_mutex_lock(&lock);
    record(ANSWER, 0, ntohs(peer.sin_port), status, NULL, 0);
    pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *data, size_t length) {
    uint32_t file = file_behind(fd);
    if (!file) {
        note_answer(fd, data, length);
        return REAL(write)(fd, data, length);
    }
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t written = write_at(fd, file, data, length, offset);
    if (written > 0)
        lseek(fd, offset + written, SEEK_SET);
    return written;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    note_answer(fd, data, length);
    return REAL(send)(fd, data, length, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (file_behind(fd))
        abort(); /* SQLite does not; were it to begin, the record would be wrong. */
    if (count > 0)
        note_answer(fd, parts[0].iov_base, parts[0].iov_len);
    return REAL(writev)(fd, parts, count);
}

static int truncate_to(int fd, uint32_t file, off_t length) {
    if (refused(fd, 0, (size_t)length))
        return -1;
    pthread_mutex_lock(&lock);
    int result = REAL(ftruncate)(fd, length);
    int error = errno;
    if (!result)
        record(TRUNCATE, file, (uint64_t)length, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int ftruncate(int fd, off_t length) {
    uint32_t file = file_behind(fd);
    return file ? truncate_to(fd, file, length) : REAL(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    uint32_t file = file_behind(fd);
    return file ? truncate_to(fd, file, length) : REAL(ftruncate64)(fd, length);
}

static int sync_file(int fd, int (*sync)(int)) {
    uint32_t file = fd >= 0 && fd < DESCRIPTORS ? file_of[fd] : 0;
    if (!file)
        return sync(fd);
    if (omits_syncs || fails(SYNC_OMITTED))
        return 0;
    if (fails(SYNC_FAILS)) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&lock);
    uint64_t covered = records;
    pthread_mutex_unlock(&lock);
    int result = sync(fd);
    int error = errno;
    pthread_mutex_lock(&lock);
    if (!result)
        record(file == FOLDER ? SYNC_DIR : SYNC, file, covered, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fsync(int fd) {
    return sync_file(fd, REAL(fsync));
}

int fdatasync(int fd) {
    return sync_file(fd, REAL(fdatasync));
}

int unlink(const char *path) {
    const char *name = watched(path);
    if (!name)
        return REAL(unlink)(path);
    if (fails(READ_ONLY)) {
        errno = EROFS;
        return -1;
    }
    pthread_mutex_lock(&lock);
    int result = REAL(unlink)(path);
    int error = errno;
    if (!result) {
        forget(name);
        record_bytes(UNLINK, 0, 0, name, strlen(name));
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int rename(const char *from, const char *to) {
    const char *old_name = watched(from), *new_name = watched(to);
    if (!old_name || !new_name)
        return REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    int result = REAL(rename)(from, to);
    int error = errno;
    uint32_t *file = find(old_name);
    if (!result && file) {
        struct iovec parts[2] = {{(void *)old_name, strlen(old_name)},
                                 {(void *)new_name, strlen(new_name)}};
        record(RENAME, *file, strlen(old_name), 0, parts, 2);
        bind_name(new_name, *file);
        forget(old_name);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

/* What a name led to when it was asked for last: a service that is BLIND sees that for ever. */
static struct statx seen_store, seen_wal;

static struct statx *seen(const char *name) {
    return !strcmp(name, "tickrelay.db")       ? &seen_store
           : !strcmp(name, "tickrelay.db-wal") ? &seen_wal
                                               : NULL;
}

int statx(int at, const char *path, int flags, unsigned mask, struct statx *found) {
    const char *name = watched(path);
    struct statx *before = name ? seen(name) : NULL;
    if (!before)
        return REAL(statx)(at, path, flags, mask, found);
    pthread_mutex_lock(&lock);
    int result = 0;
    if (fails(BLIND) && before->stx_mask)
        *found = *before;
    else if (!(result = REAL(statx)(at, path, flags, mask, found)))
        *before = *found;
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    size_t length = name ? strlen(name) : 0;
    int ours = fault_switch && length > 5 && !strcmp(name + length - 5, ".test");
    if (ours && fault_switch[1])
        return EAI_AGAIN;
    return REAL(getaddrinfo)(ours ? "127.0.0.1" : name, service, hints, found);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime)(clock, now);
    if (!result && fault_switch && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += (time_t)fault_switch[2] * 86400;
    return result;
}
