/*
 * A disk that fails as it is told, and that knows what would survive a loss of power. Preloaded into a server by the
 * crash tests (LD_PRELOAD), it looks at log.db, derived.db and their WALs in the folder DISK_SHIM_FOLDER only.
 *
 * DISK_SHIM_CONTROL is a file of 4 KiB, mapped and read at each call, so a test can change it while the server runs:
 * bytes 0 to 2 are the errno with which syncs, writes and reads of the log fail, 4 to 6 those of derived.db; 0 is none.
 * Byte 8 is how many milliseconds a sync takes longer than it would; of writes of the log each so-manieth fails as byte 9
 * says, so that transactions are left half written. From byte 16 on stand counters of 32 bits: syncs, writes and reads that were made to fail, and syncs that were done.
 *
 * DISK_SHIM_IMAGES, when set, is a folder with an image of each file as it is surely on disk. A sync that succeeds
 * copies into it what was written since the last one. One that fails copies nothing and forgets what was written, as
 * Linux does: the pages stay readable and count as clean, so a later sync that succeeds does not save them, also not one of
 * the next process (a file beside the image remembers from where on), unless they are written again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { SYNC, WRITE, READ };
enum { IGNORED, LOG, DERIVED };

struct range { off_t at; size_t length; };
struct file {
  dev_t device; ino_t inode; int kind; int image;
  /* From here on the pages are clean though a sync failed to save them; -1 when there are none. */
  off_t lost;
  char lost_name[4096];
  struct range *written; size_t count, room;
};

static struct file files[64];
static size_t files_seen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile uint8_t *control;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void begin(void) {
  const char *path = getenv("DISK_SHIM_CONTROL");
  int descriptor = path == NULL ? -1 : open(path, O_RDWR);
  if (descriptor < 0) return;
  void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (mapped != MAP_FAILED) control = mapped;
}

static int ends_in(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int kind_of(const char *path) {
  const char *folder = getenv("DISK_SHIM_FOLDER");
  if (folder == NULL || strncmp(path, folder, strlen(folder)) != 0) return IGNORED;
  if (ends_in(path, "/log.db") || ends_in(path, "/log.db-wal")) return LOG;
  if (ends_in(path, "/derived.db") || ends_in(path, "/derived.db-wal")) return DERIVED;
  return IGNORED;
}

/* The image of a file that has none yet is the file itself: what is there before the first write is on disk. */
static int open_image(const char *path, int descriptor) {
  const char *folder = getenv("DISK_SHIM_IMAGES");
  if (folder == NULL) return -1;
  char name[4096];
  snprintf(name, sizeof name, "%s/%s", folder, strrchr(path, '/') + 1);
  int image = open(name, O_RDWR);
  if (image >= 0) return image;
  image = open(name, O_RDWR | O_CREAT, 0600);
  char bytes[65536];
  ssize_t count;
  for (off_t at = 0; (count = REAL(pread64)(descriptor, bytes, sizeof bytes, at)) > 0; at += count)
    if (REAL(pwrite64)(image, bytes, (size_t)count, at) != count) abort();
  return image;
}

static void lose(struct file *file) {
  for (size_t index = 0; index < file->count; index += 1)
    if (file->lost < 0 || file->written[index].at < file->lost) file->lost = file->written[index].at;
  file->count = 0;
  FILE *lost = file->image < 0 || file->lost < 0 ? NULL : fopen(file->lost_name, "w");
  if (lost == NULL) return;
  fprintf(lost, "%ld", (long)file->lost);
  fclose(lost);
}

static void wrote(struct file *file, off_t at, ssize_t count) {
  if (file == NULL || file->image < 0 || count <= 0) return;
  if (file->lost >= 0 && at == file->lost) {
    file->lost = -1;
    unlink(file->lost_name);
  }
  if (file->count == file->room) {
    file->room = file->room == 0 ? 64 : file->room * 2;
    file->written = realloc(file->written, file->room * sizeof *file->written);
  }
  file->written[file->count] = (struct range){at, (size_t)count};
  file->count += 1;
}

/* The watched file behind a descriptor, or none. Files are told apart by their inode, whatever becomes of their names. */
static struct file *find(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
  for (size_t index = 0; index < files_seen; index += 1)
    if (files[index].inode == status.st_ino && files[index].device == status.st_dev) return &files[index];
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return NULL;
  path[length] = '\0';
  if (kind_of(path) == IGNORED) return NULL;
  if (files_seen == sizeof files / sizeof *files) abort();
  struct file *file = &files[files_seen];
  file->device = status.st_dev;
  file->inode = status.st_ino;
  file->kind = kind_of(path);
  file->image = open_image(path, descriptor);
  file->lost = -1;
  // What a process before this one wrote and did not sync is still to be saved by the next sync, but for what is lost.
  if (file->image >= 0) {
    snprintf(file->lost_name, sizeof file->lost_name, "%s/%s.lost", getenv("DISK_SHIM_IMAGES"), strrchr(path, '/') + 1);
    FILE *lost = fopen(file->lost_name, "r");
    long at;
    if (lost != NULL && fscanf(lost, "%ld", &at) == 1) file->lost = at;
    if (lost != NULL) fclose(lost);
  }
  wrote(file, 0, file->lost >= 0 ? (ssize_t)file->lost : (ssize_t)status.st_size);
  files_seen += 1;
  return file;
}

static int refused(const struct file *file, int what) {
  if (control == NULL || file == NULL) return 0;
  int error = control[what + (file->kind == DERIVED ? 4 : 0)];
  static unsigned writes;
  if (what == WRITE && file->kind == LOG && control[9] != 0 && ++writes % control[9] == 0) error = EIO;
  if (error == 0) return 0;
  __sync_fetch_and_add((volatile uint32_t *)(control + 16) + what, 1);
  errno = error;
  return 1;
}

static void save(struct file *file, int descriptor) {
  for (size_t index = 0; index < file->count; index += 1) {
    struct range range = file->written[index];
    char *bytes = malloc(range.length);
    ssize_t count = REAL(pread64)(descriptor, bytes, range.length, range.at);
    if (count > 0 && REAL(pwrite64)(file->image, bytes, (size_t)count, range.at) != count) abort();
    free(bytes);
  }
  file->count = 0;
}

static int sync_by(int (*real)(int), int descriptor) {
  pthread_once(&once, begin);
  if (control != NULL && control[8] != 0) usleep(control[8] * 1000);
  pthread_mutex_lock(&lock);
  struct file *file = find(descriptor);
  int result = refused(file, SYNC) ? -1 : real(descriptor);
  int error = errno;
  if (file != NULL) {
    if (result == 0) save(file, descriptor);
    else lose(file);
    if (result == 0 && control != NULL) __sync_fetch_and_add((volatile uint32_t *)(control + 16) + 3, 1);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

int fsync(int descriptor) { return sync_by(REAL(fsync), descriptor); }
int fdatasync(int descriptor) { return sync_by(REAL(fdatasync), descriptor); }

static ssize_t write_at(int descriptor, const void *bytes, size_t length, off_t at) {
  pthread_once(&once, begin);
  pthread_mutex_lock(&lock);
  struct file *file = find(descriptor);
  ssize_t result = refused(file, WRITE) ? -1 : REAL(pwrite64)(descriptor, bytes, length, at);
  int error = errno;
  wrote(file, at, result);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t at) {
  return write_at(descriptor, bytes, length, at);
}
ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at) {
  return write_at(descriptor, bytes, length, at);
}

static ssize_t read_at(int descriptor, void *bytes, size_t length, off_t at) {
  pthread_once(&once, begin);
  pthread_mutex_lock(&lock);
  int is_refused = refused(find(descriptor), READ);
  pthread_mutex_unlock(&lock);
  if (is_refused) return -1;
  return REAL(pread64)(descriptor, bytes, length, at);
}

ssize_t pread64(int descriptor, void *bytes, size_t length, off64_t at) {
  return read_at(descriptor, bytes, length, at);
}
ssize_t pread(int descriptor, void *bytes, size_t length, off_t at) { return read_at(descriptor, bytes, length, at); }

/* A file that became shorter stays so: the image too. */
int ftruncate64(int descriptor, off64_t length) {
  pthread_once(&once, begin);
  pthread_mutex_lock(&lock);
  struct file *file = find(descriptor);
  int result = REAL(ftruncate64)(descriptor, length);
  if (result == 0 && file != NULL && file->image >= 0 && REAL(ftruncate64)(file->image, length) != 0) abort();
  pthread_mutex_unlock(&lock);
  return result;
}
