/* While fork raises the count of a page another thread takes references to it and keeps them. */
#include "lab.h"

static char *page;
static int many[2];

static void *getter(void *argument)
{
	struct iovec iov = { page, PAGE };

	pause_ms(100);
	if (vmsplice(many[1], &iov, 1, 0) != (ssize_t)PAGE)
		skip("vmsplice");
	return argument;
}

static enum outcome trial(void)
{
	pthread_t t;
	pid_t pid;
	char seen;

	page = lowest_page();
	if (pipe(many))
		skip("pipe");
	window(page + 1); /* another place than that of fork-against-fast-gup */
	t = thread(getter, NULL);
	pid = fork();
	if (!pid)
		_exit(0);
	pthread_join(t, NULL);
	window(NULL);
	wait_child(pid);
	if (read(many[0], &seen, 1) != 1)
		skip("read");
	close(many[0]);
	close(many[1]);
	for (int i = 0; i < 64; i++)
		small_pages(16)[0] = 'Z';
	return verdict(page[0] == 'A', "a reference taken while fork raised the count: the page reads %02x",
		       (unsigned char)page[0]);
}
LITMUS(main, trial)
