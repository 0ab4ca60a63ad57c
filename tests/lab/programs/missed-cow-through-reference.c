/* A child gives a page it shares with its parent to a pipe, unmaps it, and reads what the parent writes later. */
#include "lab.h"

struct shared {
	char *page;
	int ready[2], go[2], answer[2];
};

static void spy(void *argument)
{
	struct shared *s = argument;
	int pipe_of_pages[2];
	char byte, seen;
	struct iovec iov = { s->page, PAGE };

	if (pipe(pipe_of_pages) || vmsplice(pipe_of_pages[1], &iov, 1, 0) != (ssize_t)PAGE || munmap(s->page, PAGE))
		_exit(1);
	if (write(s->ready[1], "", 1) != 1 || read(s->go[0], &byte, 1) != 1)
		_exit(1);
	if (read(pipe_of_pages[0], &seen, 1) == 1 && write(s->answer[1], &seen, 1) == 1)
		_exit(0);
}

static enum outcome trial(void)
{
	struct shared s = { .page = small_pages(1) };
	char byte, seen = '?';

	if (pipe(s.ready) || pipe(s.go) || pipe(s.answer))
		skip("pipe");
	child(spy, &s);
	close(s.ready[1]);
	if (read(s.ready[0], &byte, 1) != 1)
		skip("vmsplice");
	s.page[0] = 'S';
	if (write(s.go[1], "", 1) != 1 || read(s.answer[0], &seen, 1) != 1)
		skip("child");
	return verdict(seen == 'A', "parent wrote S after the fork, the child's pipe reads %c", seen);
}
LITMUS(main, trial)
