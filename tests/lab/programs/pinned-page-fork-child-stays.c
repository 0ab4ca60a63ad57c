/* As pinned-page-fork, with the child alive: it must see neither what the owner nor what the device writes later. */
#include "lab.h"

struct shared {
	char *page;
	int go[2], answer[2];
};

static void stay(void *argument)
{
	struct shared *s = argument;
	char byte;

	if (read(s->go[0], &byte, 1) == 1 && write(s->answer[1], s->page, 2) == 2)
		_exit(0);
}

static enum outcome trial(void)
{
	struct shared s = { .page = small_pages(1) };
	struct device *device = pinned(s.page, PAGE);
	char theirs[2] = "??";
	int seen;

	if (pipe(s.go) || pipe(s.answer))
		skip("pipe");
	child(stay, &s);
	s.page[0] = 'B';
	seen = device_read(device, s.page);
	device_write(device, s.page + 1, 'D');
	if (write(s.go[1], "", 1) != 1 || read(s.answer[0], theirs, 2) != 2)
		skip("child");
	return verdict(seen == 'B' && s.page[1] == 'D' && theirs[0] == 'A' && theirs[1] == 'A',
		       "owner wrote B, device reads %c; device wrote D, owner reads %c, child reads %c", seen, s.page[1],
		       theirs[1]);
}
LITMUS(main, trial)
