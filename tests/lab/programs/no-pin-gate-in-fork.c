/* A page with more than a thousand plain references, of a process that never pinned: fork has to share it. */
#include "lab.h"

struct shared {
	char *page;
	int answer[2];
};

static void tell(void *argument)
{
	struct shared *s = argument;
	uint64_t entry = pagemap(s->page);

	if (write(s->answer[1], &entry, sizeof(entry)) != sizeof(entry))
		_exit(1);
}

static enum outcome trial(void)
{
	struct shared s = { .page = small_pages(1) };
	struct iovec iov = { s.page, PAGE };
	uint64_t mine, theirs;
	int many[2];

	if (pipe(s.answer) || pipe(many) || fcntl(many[1], F_SETPIPE_SZ, 2048 * PAGE) < 0)
		skip("a large pipe");
	for (int i = 0; i < 1100; i++)
		if (vmsplice(many[1], &iov, 1, 0) != (ssize_t)PAGE)
			skip("vmsplice");
	child(tell, &s);
	if (read(s.answer[0], &theirs, sizeof(theirs)) != sizeof(theirs))
		skip("child");
	mine = pagemap(s.page);
	return verdict(PAGEMAP_PFN(mine) == PAGEMAP_PFN(theirs), "a page with 1100 plain references is %s by fork",
		       PAGEMAP_PFN(mine) == PAGEMAP_PFN(theirs) ? "shared" : "copied");
}
LITMUS(main, trial)
