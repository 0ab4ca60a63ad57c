/* What the litmus programs share. Each file has one trial, registered under the name of its scenario. */
#ifndef LAB_H
#define LAB_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum outcome { HOLDS = 0, BREAKS = 1, SKIP = 77 };

struct litmus {
	const char *name;
	enum outcome (*trial)(void);
	struct litmus *next;
};

/* Registers a trial. It runs in a process of its own each time, so nothing has to be undone. */
#define LITMUS(id, function) \
	static struct litmus litmus_##id = { .trial = function }; \
	__attribute__((constructor)) static void register_##id(void) { register_litmus(&litmus_##id, __FILE__, #id); }
void register_litmus(struct litmus *litmus, const char *file, const char *id);

/* Ends a trial with an outcome and its reason. */
enum outcome says(enum outcome outcome, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the process as skipped, with the reason and errno. */
void skip(const char *what) __attribute__((noreturn));
/* `holds` is the condition; the text says what was seen. */
#define verdict(holds, ...) says((holds) ? HOLDS : BREAKS, __VA_ARGS__)

extern const size_t PAGE;

/* memory */
char *small_pages(size_t count);         /* private anonymous, no huge pages, populated with 'A' */
char *lowest_page(void);                 /* one such page, the first that fork copies: the stacks stay writable */
char *huge_page(void);                   /* one page of 2 MiB mapped by a PMD, or skip */
char *hugetlb_page(void);                /* one hugetlb page, or skip */
uint64_t pagemap(const void *address);   /* the entry of /proc/self/pagemap */
uint64_t pagemap_of(pid_t pid, const void *address);
uint64_t page_flags(uint64_t pfn);       /* /proc/kpageflags */
long counter(const char *file, const char *name); /* a line `name value` or `name: value` of a file of /proc */
void put_text(const char *file, const char *text); /* write to a file below /proc or /sys, or skip */
int page_out(void *address);             /* MADV_PAGEOUT until the entry is a swap entry: 0, or -1 */
int node_of(void *page, int *node); /* move_pages to that node, or only asks if NULL; the node or a negative error */
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_UFFD_WP (1ull << 57)
#define PAGEMAP_SWAP (1ull << 62)
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN(entry) ((entry) & ((1ull << 55) - 1))

/* a device with a long-term pin for writing: a registered buffer of io_uring, reached by a pipe */
struct device {
	int ring, to[2], from[2];
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	void *sqes, *cqes;
};
int device_open(struct device *device);
int device_pin(struct device *device, void *address, size_t length); /* 0 or -1 with errno */
int device_unpin(struct device *device);
int device_write(struct device *device, char *address, char value);  /* DMA into the pinned page */
int device_read(struct device *device, char *address);               /* what the device sees, or -1 */
struct device *pinned(void *address, size_t length);                 /* opened and pinned, or skip */

/* a long-term pin of the kernel's gup_test */
enum { PIN_READ = 0, PIN_WRITE = 1, PIN_FAST = 2 };
int pin_start(void *address, size_t length, int flags); /* a file, or -1; skip without gup_test */
void pin_read(int file, void *to);
void pin_stop(int file);

/* userfaultfd in write-protect mode */
int uffd_open(unsigned long features);
void uffd_watch(int uffd, void *address, size_t length);
void uffd_protect(int uffd, void *address, size_t length, int on);
int uffd_heard(int uffd, int ms); /* 1 for a write event; other events are read and dropped */

/* processes and threads */
pid_t child(void (*body)(void *), void *argument); /* fork; the body's return is _exit(0) */
int wait_child(pid_t pid);
void window(const void *address); /* the kernel widens its races at this address; skip without the lab's kernel */
void pause_ms(int ms);
pthread_t thread(void *(*body)(void *), void *argument);

#endif
