/* A watched, write-protected entry moves: to swap and back, to a child, to another address. Then comes a write. */
#include "lab.h"

#include <linux/userfaultfd.h>

static char *page;

static void *writer(void *argument)
{
	page[0] = 'B';
	return argument;
}

static enum outcome heard_of(int uffd, const char *what)
{
	int heard = uffd_heard(uffd, 500);

	return verdict(heard, "%s, then a write: the monitor %s", what, heard ? "heard it" : "heard nothing");
}

static int watched(unsigned long features)
{
	int uffd = uffd_open(features);

	page = small_pages(1);
	uffd_watch(uffd, page, PAGE);
	uffd_protect(uffd, page, PAGE, 1);
	return uffd;
}

static enum outcome by_swap(void)
{
	int uffd = watched(0);

	if (page_out(page))
		skip("no swap");
	thread(writer, NULL);
	return heard_of(uffd, "swapped out");
}
LITMUS(swap, by_swap)

static void write_in_child(void *argument)
{
	(void)argument;
	page[0] = 'C';
}

/* The fork event carries a file of its own for the child, and fork waits until it is read. */
static void *forker(void *argument)
{
	child(write_in_child, NULL);
	return argument;
}

static enum outcome by_fork(void)
{
	int uffd = watched(UFFD_FEATURE_EVENT_FORK);
	struct uffd_msg msg = { 0 };

	thread(forker, NULL);
	while (msg.event != UFFD_EVENT_FORK)
		if (poll(&(struct pollfd){ uffd, POLLIN, 0 }, 1, 2000) != 1 || read(uffd, &msg, sizeof(msg)) < 0)
			skip("UFFD_EVENT_FORK");
	return heard_of(msg.arg.fork.ufd, "copied to a child that is watched");
}
LITMUS(fork, by_fork)

static void *mover(void *argument)
{
	char *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page = mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (page != MAP_FAILED)
		page[0] = 'B';
	return argument;
}

static enum outcome by_mremap(void)
{
	int uffd = watched(UFFD_FEATURE_EVENT_REMAP);

	thread(mover, NULL);
	return heard_of(uffd, "moved by mremap");
}
LITMUS(mremap, by_mremap)
