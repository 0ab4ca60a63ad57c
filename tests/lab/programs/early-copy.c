/* Fork has to copy a pinned page for its child: under which locks, complete, every page of them, with what counts? */
#include "lab.h"

enum { PAGES = 64 };

static void leave(void *argument)
{
	(void)argument;
}

/* alloc-under-ptl-reclaims-into-it: what the kernel says of the allocation is the outcome. */
static enum outcome allocation(void)
{
	char *p = small_pages(1);

	pinned(p, PAGE);
	wait_child(child(leave, NULL));
	return verdict(1, "fork of a process with a pinned page");
}
LITMUS(allocation, allocation)

struct shared {
	char *pages;
	int answer[2], go[2];
};

static void count_missing(void *argument)
{
	struct shared *s = argument;
	char missing = 0;

	for (int i = 0; i < PAGES; i++)
		missing += !(pagemap(s->pages + i * PAGE) & PAGEMAP_PRESENT) || s->pages[i * PAGE] != 'A';
	if (write(s->answer[1], &missing, 1) != 1)
		_exit(1);
}

/* preallocate-and-retry: the child has every page. */
static enum outcome retry(void)
{
	struct shared s = { .pages = small_pages(PAGES) };
	char missing = -1;

	pinned(s.pages, PAGES * PAGE);
	if (pipe(s.answer))
		skip("pipe");
	child(count_missing, &s);
	if (read(s.answer[0], &missing, 1) != 1)
		skip("child");
	return verdict(!missing, "the child lacks %d of %d pages", missing, PAGES);
}
LITMUS(retry, retry)

static void wait_a_while(void *argument)
{
	struct shared *s = argument;
	char byte;

	if (read(s->go[0], &byte, 1) != 1)
		_exit(1);
}

/* half-made-copy: the child's copy is up to date, on an LRU list and known as anonymous (bits 3, 5, 12 of kpageflags). */
static enum outcome complete(void)
{
	struct shared s = { .pages = small_pages(1) };
	uint64_t flags;
	pid_t pid;

	pinned(s.pages, PAGE);
	if (pipe(s.go))
		skip("pipe");
	pid = child(wait_a_while, &s);
	put_text("/proc/sys/vm/compact_memory", "1"); /* drains the batches of all CPUs */
	flags = page_flags(PAGEMAP_PFN(pagemap_of(pid, s.pages)));
	if (write(s.go[1], "", 1) != 1)
		skip("child");
	wait_child(pid);
	return verdict((flags >> 3 & 1) && (flags >> 5 & 1) && (flags >> 12 & 1),
		       "the child's copy: up to date %d, on an LRU list %d, anonymous %d", (int)(flags >> 3 & 1),
		       (int)(flags >> 5 & 1), (int)(flags >> 12 & 1));
}
LITMUS(complete, complete)

/* reference-before-copy-decision: the pinned pages are freed when pin and process are gone. */
static void pin_fork_leave(void *argument)
{
	char *p = small_pages(2048);

	(void)argument;
	pinned(p, 2048 * PAGE);
	wait_child(child(leave, NULL));
}

static enum outcome counts(void)
{
	long before, after;

	wait_child(child(pin_fork_leave, NULL));
	before = counter("/proc/meminfo", "MemFree");
	for (int i = 0; i < 4; i++)
		wait_child(child(pin_fork_leave, NULL));
	pause_ms(300);
	after = counter("/proc/meminfo", "MemFree");
	return verdict(before - after < 4 * 8192 / 2, "4 times 8 MiB pinned, forked over and given up: %ld MiB less free",
		       (before - after) / 1024);
}
LITMUS(counts, counts)
