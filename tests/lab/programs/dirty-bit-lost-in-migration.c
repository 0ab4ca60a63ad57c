/* A shared file page is dirty by its entry alone and migrates; reclaim comes; the file must hold what was written. */
#include "lab.h"

static enum outcome trial(void)
{
	int file = memfd_create("file", 0), other;
	volatile char *p;
	char content = '?';

	if (file < 0 || ftruncate(file, PAGE))
		skip("memfd");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		skip("mmap");
	other = !p[0] && !node_of((void *)p, NULL);
	p[0] = 'W';
	if (node_of((void *)p, &other) != other)
		skip("move_pages");
	for (int i = 0; i < 10; i++) {
		madvise((void *)p, PAGE, MADV_PAGEOUT);
		pause_ms(20);
	}
	if (pread(file, &content, 1, 0) != 1)
		skip("pread");
	return verdict(content == 'W', "W was written and migrated, the file reads %c", content ? content : '0');
}
LITMUS(main, trial)
