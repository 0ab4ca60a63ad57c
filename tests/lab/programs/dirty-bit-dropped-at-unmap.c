/* A shared file page is written through one mapping and unmapped; reclaim comes; the file must hold what was written. */
#include "lab.h"

static enum outcome trial(void)
{
	int file = memfd_create("file", 0);
	char *p, *q, content = '?';
	volatile char first;

	if (file < 0 || ftruncate(file, PAGE))
		skip("memfd");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		skip("mmap");
	first = *(volatile char *)p;
	p[0] = first + 'W';
	munmap(p, PAGE);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	first = *(volatile char *)q;
	for (int i = 0; i < 10; i++) {
		madvise(q, PAGE, MADV_PAGEOUT);
		pause_ms(20);
	}
	if (pread(file, &content, 1, 0) != 1)
		skip("pread");
	return verdict(content == 'W', "W was written and unmapped, the file reads %c", content ? content : '0');
}
LITMUS(main, trial)
