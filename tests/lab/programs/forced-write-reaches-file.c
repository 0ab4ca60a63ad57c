/* A forced write (as a debugger makes it) through a private mapping that is read-only must not reach the file. */
#include "lab.h"

static enum outcome trial(void)
{
	int file = memfd_create("file", 0), memory = open("/proc/self/mem", O_RDWR);
	char content = '?', *p;

	if (file < 0 || write(file, "AAAA", 4) != 4 || memory < 0)
		skip("memfd");
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	if (p == MAP_FAILED || *(volatile char *)p != 'A')
		skip("mmap");
	if (pwrite(memory, "P", 1, (uintptr_t)p) != 1)
		skip("/proc/self/mem");
	if (pread(file, &content, 1, 0) != 1)
		skip("pread");
	return verdict(content == 'A', "P was forced into a private mapping: it reads %c, the file holds %c", p[0], content);
}
LITMUS(main, trial)
