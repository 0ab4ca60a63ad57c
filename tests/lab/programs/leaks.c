/* References and pins that stay behind: counters before and after. */
#include "lab.h"

enum { PAGES = 2048, TIMES = 4 };

static void leave(void *argument)
{
	(void)argument;
}

static void cow(void *argument)
{
	char *p = small_pages(PAGES);
	int hold[2];

	(void)argument;
	if (pipe(hold))
		_exit(1);
	if (!fork()) {
		char byte;

		close(hold[1]);
		_exit(read(hold[0], &byte, 1) != 0);
	}
	memset(p, 'B', PAGES * PAGE);
}

static enum outcome free_memory(void (*body)(void *), const char *what)
{
	long before, after;

	wait_child(child(body, NULL));
	pause_ms(100);
	before = counter("/proc/meminfo", "MemFree");
	for (int i = 0; i < TIMES; i++)
		wait_child(child(body, NULL));
	pause_ms(300);
	after = counter("/proc/meminfo", "MemFree");
	return verdict(before - after < TIMES * 8192 / 2, "%d times 8 MiB %s: %ld MiB less free", TIMES, what,
		       (before - after) / 1024);
}

/* reference-leaked-on-one-exit: the page that COW replaced is freed. */
static enum outcome reference(void)
{
	return free_memory(cow, "copied on write");
}
LITMUS(reference, reference)

/* Pins that /proc/vmstat counts as taken and not given back. */
static long held(void)
{
	put_text("/proc/sys/vm/stat_refresh", "1"); /* adds what the CPUs have not reported yet */
	return counter("/proc/vmstat", "nr_foll_pin_acquired") - counter("/proc/vmstat", "nr_foll_pin_released");
}

/* pin-leaked-on-error: a buffer with a hole behind its first pages cannot be registered. */
static enum outcome error(void)
{
	struct device device;
	char *p = small_pages(16);
	long before, after;

	if (device_open(&device) || munmap(p + 8 * PAGE, 8 * PAGE))
		skip("io_uring");
	before = held();
	if (!device_pin(&device, p, 16 * PAGE))
		return verdict(0, "a buffer with a hole was taken");
	after = held();
	return verdict(after == before, "a registration failed behind 8 pages: %ld pins are left", after - before);
}
LITMUS(error, error)

/* pin-released-by-put-page: the pins of a buffer are given back with it. */
static enum outcome door(void)
{
	struct device device;
	char *p = small_pages(16);
	long before = held(), after;

	if (device_open(&device) || device_pin(&device, p, 16 * PAGE) || device_unpin(&device))
		skip("registered buffers");
	pause_ms(300);
	after = held();
	return verdict(after == before, "16 pages registered and given back: %ld pins are left", after - before);
}
LITMUS(door, door)

/* page-put-twice: the pinned page outlives the fork and the pin. */
static enum outcome twice(void)
{
	char *p = small_pages(1);
	struct device *device = pinned(p, PAGE);

	wait_child(child(leave, NULL));
	device_unpin(device);
	pause_ms(300);
	for (int i = 0; i < 64; i++)
		small_pages(16);
	return verdict(p[0] == 'A', "pinned, forked over, given back: the page reads %02x", (unsigned char)p[0]);
}
LITMUS(twice, twice)
