/* One thread forks, another pins the page while fork is between its look at the page and the write-protection. */
#include "lab.h"

static char *page;
static struct device device;
static int failed;

static void *pin_in_the_middle(void *argument)
{
	pause_ms(100);
	failed = device_pin(&device, page, PAGE);
	return argument;
}

static enum outcome trial(void)
{
	pthread_t t;
	int seen;

	page = lowest_page();
	if (device_open(&device))
		skip("io_uring");
	window(page);
	t = thread(pin_in_the_middle, NULL);
	if (!fork())
		_exit(0);
	pthread_join(t, NULL);
	window(NULL);
	if (failed)
		skip("registered buffers");
	page[0] = 'B';
	seen = device_read(&device, page);
	return verdict(seen == 'B', "owner wrote B, device reads %c", seen);
}
LITMUS(main, trial)
