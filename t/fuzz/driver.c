/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target without libFuzzer, so that every run of the tests fuzzes
 * a little: driver SECONDS SEED CORPUS-DIRECTORY.  The files of the corpus as
 * they are, and then what chance makes of them; the seed repeats a run.  An
 * input that kills the target is left in fuzz-last.SEED.
 */
#include <sys/mman.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILES	256
#define LARGEST	((size_t)16 * 1024)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	size_t	size;
	uint8_t	data[LARGEST];
};

static struct input *corpus[FILES];
static size_t count;
static uint64_t state;

/* xorshift64*: a seed repeats it on any machine. */
static size_t
chance(size_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (size_t)(state * UINT64_C(2685821657736338717) >> 33) % below;
}

static void
load(const char *path)
{
	struct input *input = calloc(1, sizeof(*input));
	FILE *in = fopen(path, "rb");

	if (input == NULL || in == NULL || count == FILES)
		exit(2);
	input->size = fread(input->data, 1, LARGEST, in);
	(void)fclose(in);
	corpus[count++] = input;
}

static void
load_all(const char *dir)
{
	DIR *files = opendir(dir);
	const struct dirent *entry;
	char path[1024];

	if (files == NULL)
		exit(2);
	while ((entry = readdir(files)) != NULL) {
		if (*entry->d_name == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir,
		    entry->d_name);
		load(path);
	}
	(void)closedir(files);
}

static void
insert(struct input *input, const uint8_t *from, size_t n)
{
	const size_t at = chance(input->size + 1);

	if (n > LARGEST - input->size)
		n = LARGEST - input->size;
	memmove(input->data + at + n, input->data + at, input->size - at);
	memcpy(input->data + at, from, n);
	input->size += n;
}

static void
cut(struct input *input)
{
	const size_t at = chance(input->size);
	const size_t n = 1 + chance(input->size - at);

	memmove(input->data + at, input->data + at + n,
	    input->size - at - n);
	input->size -= n;
}

static void
mutate(struct input *input)
{
	static const char *const words[] = {
		"\r\n", "\r", "\n", "--", "\"", "%", "%0", "&", "=", ";", ":",
		" ", "\t", "\\", "0", "ffffffffffffffff", "chunked",
		"Content-Length: ", "Content-Disposition: ", "filename*=",
		"Transfer-Encoding: ", "bytes=", ",", "-", "\xff", "\x7f"
	};
	const struct input *other = corpus[chance(count)];
	const char *word = words[chance(sizeof(words) / sizeof(words[0]))];
	uint8_t copy[64];
	size_t from, n;

	switch (chance(5)) {
	case 0:
		if (input->size > 0)
			input->data[chance(input->size)] ^=
			    (uint8_t)(1 + chance(255));
		break;
	case 1:
		insert(input, (const uint8_t *)word, strlen(word));
		break;
	case 2:
		if (input->size > 0)
			cut(input);
		break;
	default:
		if (other->size == 0)
			break;
		from = chance(other->size);
		n = 1 + chance(other->size - from);
		if (n > sizeof(copy))
			n = sizeof(copy);
		memcpy(copy, other->data + from, n);
		insert(input, copy, n);
		break;
	}
}

int
main(int argc, char *argv[])
{
	static struct input *shown, input;
	char name[64];
	unsigned long runs = 0;
	time_t end;
	int fd;

	if (argc != 4)
		return 2;
	end = time(NULL) + strtol(argv[1], NULL, 10);
	state = strtoull(argv[2], NULL, 10) * 2 + 1;
	(void)snprintf(name, sizeof(name), "fuzz-last.%s", argv[2]);
	load_all(argv[3]);
	/* Mapped, so that what was tried last outlives the process. */
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd == -1 || ftruncate(fd, sizeof(input)) == -1)
		return 2;
	shown = mmap(NULL, sizeof(input), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	if (shown == MAP_FAILED || count == 0)
		return 2;
	for (size_t i = 0; i < count; i++, runs++)
		(void)LLVMFuzzerTestOneInput(corpus[i]->data, corpus[i]->size);
	while (time(NULL) < end) {
		input = *corpus[chance(count)];
		for (size_t n = 1 + chance(6); n > 0; n--)
			mutate(&input);
		shown->size = input.size;
		memcpy(shown->data, input.data, input.size);
		(void)LLVMFuzzerTestOneInput(input.data, input.size);
		runs++;
	}
	(void)unlink(name);
	(void)printf("%lu\n", runs);
	return 0;
}
