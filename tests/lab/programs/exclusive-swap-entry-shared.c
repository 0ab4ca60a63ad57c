/* Fork copies a swap entry. The child swaps the page in, then the parent writes: the child must not see it. */
#include "lab.h"

struct shared {
	char *page;
	int ready[2], go[2], answer[2];
};

static void look(void *argument)
{
	struct shared *s = argument;
	char byte = *(volatile char *)s->page;

	if (write(s->ready[1], &byte, 1) == 1 && read(s->go[0], &byte, 1) == 1 && write(s->answer[1], s->page, 1) == 1)
		_exit(0);
}

static enum outcome trial(void)
{
	struct shared s = { .page = small_pages(1) };
	char first = '?', seen = '?';

	if (pipe(s.ready) || pipe(s.go) || pipe(s.answer))
		skip("pipe");
	if (page_out(s.page))
		skip("no swap");
	child(look, &s);
	if (read(s.ready[0], &first, 1) != 1)
		skip("child");
	s.page[0] = 'B';
	if (write(s.go[1], "", 1) != 1 || read(s.answer[0], &seen, 1) != 1)
		skip("child");
	return verdict(first == 'A' && seen == 'A', "child reads %c, parent writes B, child reads %c", first, seen);
}
LITMUS(main, trial)
