/* A process pins and forks; its child never pins and forks a page with a thousand plain references: to be shared. */
#include "lab.h"

struct shared {
	char *page;
	int many[2], answer[2];
};

static void tell(void *argument)
{
	struct shared *s = argument;
	uint64_t entry = pagemap(s->page);

	if (write(s->answer[1], &entry, sizeof(entry)) != sizeof(entry))
		_exit(1);
}

static void middle(void *argument)
{
	struct shared *s = argument;
	struct iovec iov;
	uint64_t mine;

	s->page = small_pages(1);
	iov = (struct iovec){ s->page, PAGE };
	for (int i = 0; i < 1100; i++)
		if (vmsplice(s->many[1], &iov, 1, 0) != (ssize_t)PAGE)
			_exit(1);
	wait_child(child(tell, s));
	mine = pagemap(s->page);
	if (write(s->answer[1], &mine, sizeof(mine)) != sizeof(mine))
		_exit(1);
}

static enum outcome trial(void)
{
	struct shared s;
	uint64_t mine, theirs;
	char *pinned_page = small_pages(1);

	if (pipe(s.answer) || pipe(s.many) || fcntl(s.many[1], F_SETPIPE_SZ, 2048 * PAGE) < 0)
		skip("a large pipe");
	pinned(pinned_page, PAGE);
	wait_child(child(middle, &s));
	if (read(s.answer[0], &theirs, sizeof(theirs)) != sizeof(theirs) || read(s.answer[0], &mine, sizeof(mine)) != sizeof(mine))
		skip("child");
	return verdict(PAGEMAP_PFN(mine) == PAGEMAP_PFN(theirs), "the child's page with 1100 plain references is %s by its fork",
		       PAGEMAP_PFN(mine) == PAGEMAP_PFN(theirs) ? "shared" : "copied");
}
LITMUS(main, trial)
