/* After a fork the parent writes: the child must not see it. The child has a stack of its own, for both would write to
 * the same one in a kernel that breaks. */
#include "lab.h"

#include <signal.h>

struct shared {
	char *page;
	int go[2], answer[2];
};

static int look(void *argument)
{
	struct shared *s = argument;
	char byte;

	return read(s->go[0], &byte, 1) != 1 || write(s->answer[1], s->page, 1) != 1;
}

static enum outcome trial(void)
{
	static struct shared s;
	char *stack = small_pages(16), seen = '?';

	s.page = small_pages(1);
	if (pipe(s.go) || pipe(s.answer))
		skip("pipe");
	if (clone(look, stack + 16 * PAGE, SIGCHLD, &s) < 0)
		skip("clone");
	s.page[0] = 'B';
	if (write(s.go[1], "", 1) != 1 || read(s.answer[0], &seen, 1) != 1)
		skip("child");
	return verdict(seen == 'A', "parent wrote B after the fork, child reads %c", seen);
}
LITMUS(main, trial)
