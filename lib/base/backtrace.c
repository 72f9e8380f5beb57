/* SPDX-License-Identifier: ISC */
/*
 * See backtrace.h.  dladdr(3) knows only the names that a file exports, and
 * handlers are static functions as a rule: so their file's own table of
 * symbols is looked at.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "backtrace.h"

#define FRAMES	48

/* A file, mapped to be read. */
struct image {
	const unsigned char	*data;
	size_t			 size;
};

struct frames {
	int	 count, most;
	void	*at[FRAMES];
};

static _Unwind_Reason_Code
note_frame(struct _Unwind_Context *context, void *argument)
{
	struct frames *frames = argument;

	if (frames->count == frames->most)
		return _URC_END_OF_STACK;
	frames->at[frames->count++] = (void *)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

/*
 * backtrace(3) would load the unwinder's library when it is first called: in a
 * signal handler, where a sandbox may refuse it.  So the unwinder is called
 * here by its name, and linked into this library, if configure can do that:
 * what is mapped makes each fork(2) of mode fork slower.
 */
static __attribute__((noinline)) void
gather(struct frames *frames, int most)
{
	frames->count = 0;
	frames->most = most;
	(void)_Unwind_Backtrace(note_frame, frames);
}

static void
image_open(struct image *image, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat there;
	void *data;

	image->data = NULL;
	if (fd == -1)
		return;
	if (fstat(fd, &there) == 0 && there.st_size > 0) {
		image->size = (size_t)there.st_size;
		data = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED)
			image->data = data;
	}
	(void)close(fd);
}

static void
image_close(struct image *image)
{
	if (image->data != NULL)
		(void)munmap((void *)(uintptr_t)image->data, image->size);
}

/* Whether count entries of size bytes are in the file at that place. */
static int
has(const struct image *image, uint64_t at, uint64_t count, uint64_t size)
{
	return at <= image->size && count <= (image->size - at) / size;
}

/* The function that address lies in, of one table; NULL. */
static const char *
name_in(const struct image *image, const ElfW(Shdr) *table,
    const ElfW(Shdr) *names, uintptr_t address)
{
	const size_t count = table->sh_size / sizeof(ElfW(Sym));
	const ElfW(Sym) *symbols;

	if (!has(image, table->sh_offset, count, sizeof(ElfW(Sym))) ||
	    !has(image, names->sh_offset, names->sh_size, 1))
		return NULL;
	symbols = (const void *)(image->data + table->sh_offset);
	for (size_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &symbols[i];

		if ((symbol->st_info & 0xf) == STT_FUNC &&
		    symbol->st_name < names->sh_size &&
		    address >= symbol->st_value &&
		    address < symbol->st_value + symbol->st_size)
			return (const char *)image->data + names->sh_offset +
			    symbol->st_name;
	}
	return NULL;
}

static const char *
name_of(const struct image *image, uintptr_t address)
{
	const ElfW(Ehdr) *head = (const void *)image->data;
	const ElfW(Shdr) *sections;

	if (image->data == NULL || image->size < sizeof(*head) ||
	    memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    !has(image, head->e_shoff, head->e_shnum, sizeof(*sections)))
		return NULL;
	sections = (const void *)(image->data + head->e_shoff);
	for (unsigned i = 0; i < head->e_shnum; i++) {
		const char *name;

		if (sections[i].sh_type != SHT_SYMTAB ||
		    sections[i].sh_link >= head->e_shnum)
			continue;
		name = name_in(image, &sections[i],
		    &sections[sections[i].sh_link], address);
		if (name != NULL)
			return name;
	}
	return NULL;
}

static void
write_frame(void (*say)(const char *, size_t), int number, void *frame)
{
	char line[512];
	struct link_map *map = NULL;
	struct image image = { NULL, 0 };
	const char *path = "?", *name = NULL;
	Dl_info where;
	int n;

	if (dladdr1(frame, &where, (void **)&map, RTLD_DL_LINKMAP) != 0 &&
	    map != NULL) {
		/* The program's own name may have become a title. */
		path = *map->l_name != '\0' ? map->l_name : "/proc/self/exe";
		image_open(&image, path);
		name = where.dli_sname;
		if (name == NULL)
			name = name_of(&image,
			    (uintptr_t)frame - 1 - map->l_addr);
	}
	n = snprintf(line, sizeof(line), "  #%d %s (%s+0x%lx)\n", number,
	    name != NULL ? name : "??", path,
	    (unsigned long)((uintptr_t)frame -
	    (map != NULL ? map->l_addr : 0)));
	say(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
	image_close(&image);
}

void
backtrace_write(void (*say)(const char *, size_t))
{
	struct frames frames;

	gather(&frames, FRAMES);
	for (int i = 2; i < frames.count; i++)
		write_frame(say, i - 1, frames.at[i]);
}
