/*
 * lookup any|ipv4|ipv6 NAME [PAUSE]
 *
 * Asks getaddrinfo as an ordinary program does, and prints each address that
 * it gives in a line, or "error" and how it failed. With a PAUSE, in
 * milliseconds, it goes on asking, and ends each answer with an empty line.
 * Compiled against glibc and, linked statically, against musl.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const char *symbol(int err)
{
	switch (err) {
	case EAI_AGAIN:
		return "EAI_AGAIN";
	case EAI_FAIL:
		return "EAI_FAIL";
	case EAI_NONAME:
		return "EAI_NONAME";
#ifdef EAI_NODATA
	case EAI_NODATA:
		return "EAI_NODATA";
#else
	case -5: /* musl returns it, and does not name it */
		return "EAI_NODATA";
#endif
	default:
		return gai_strerror(err);
	}
}

static void lookup(const char *name, const struct addrinfo *hints)
{
	struct addrinfo *list, *a;
	char text[INET6_ADDRSTRLEN];
	int err;

	err = getaddrinfo(name, NULL, hints, &list);
	if (err) {
		printf("error %s\n", symbol(err));
		return;
	}
	for (a = list; a; a = a->ai_next) {
		const void *addr = a->ai_family == AF_INET
			? (const void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
			: (const void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr;
		printf("%s\n", inet_ntop(a->ai_family, addr, text, sizeof text));
	}
	freeaddrinfo(list);
}

int main(int argc, char **argv)
{
	struct addrinfo hints;
	int pause;

	memset(&hints, 0, sizeof hints);
	hints.ai_socktype = SOCK_STREAM;
	if (argc < 3 || argc > 4)
		argc = 0; /* no family is right */
	if (argc && !strcmp(argv[1], "any"))
		hints.ai_family = AF_UNSPEC;
	else if (argc && !strcmp(argv[1], "ipv4"))
		hints.ai_family = AF_INET;
	else if (argc && !strcmp(argv[1], "ipv6"))
		hints.ai_family = AF_INET6;
	else {
		fprintf(stderr, "usage: lookup any|ipv4|ipv6 NAME [PAUSE]\n");
		return 2;
	}
	if (argc == 3) {
		lookup(argv[2], &hints);
		return 0;
	}
	pause = atoi(argv[3]);
	for (;;) {
		struct timespec time = { pause / 1000, pause % 1000 * 1000000L };

		lookup(argv[2], &hints);
		printf("\n");
		if (fflush(stdout))
			return 1; /* nobody reads it any more */
		nanosleep(&time, NULL);
	}
}
