/* The least that an upload can cost: sendfile(2) on a socket that is already
 * there, as one PUT or as BITS Fragments of a given size, and nothing else.
 * usage: bound PORT FILE put|FRAGMENT_BYTES */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void say(int to, const char *text, int length)
{
    if (send(to, text, (size_t)length, MSG_NOSIGNAL) != length)
        fail("send");
}

static char text[4096]; /* the last answer */

static void answer(int from)
{
    size_t filled = 0;

    do {
        ssize_t count = recv(from, text + filled, sizeof text - 1 - filled, 0);
        if (count <= 0)
            fail("recv");
        filled += (size_t)count;
        text[filled] = 0;
    } while (!strstr(text, "\r\n\r\n"));
    if (strncmp(text, "HTTP/1.1 20", 11) != 0) {
        fprintf(stderr, "refused: %.40s\n", text);
        exit(1);
    }
}

static void bytes(int to, int from, off_t offset, off_t length)
{
    while (length > 0) {
        ssize_t count = sendfile(to, from, &offset, (size_t)length);
        if (count <= 0)
            fail("sendfile");
        length -= count;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct stat status;
    char head[1024], session[64];
    const char *id;
    int to, from, one = 1;

    if (argc != 4)
        return 2;
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from = open(argv[2], O_RDONLY);
    if (from < 0 || fstat(from, &status) != 0)
        fail(argv[2]);
    to = socket(AF_INET, SOCK_STREAM, 0);
    if (to < 0 || connect(to, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);

    if (strcmp(argv[3], "put") == 0) {
        say(to, head, snprintf(head, sizeof head,
            "PUT /bound HTTP/1.1\r\nHost: bound\r\nContent-Length: %lld\r\n\r\n",
            (long long)status.st_size));
        bytes(to, from, 0, status.st_size);
        answer(to);
        return 0;
    }
    say(to, head, snprintf(head, sizeof head,
        "BITS_POST /bound HTTP/1.1\r\nHost: bound\r\n"
        "BITS-Packet-Type: Create-Session\r\nContent-Length: 0\r\n\r\n"));
    answer(to);
    id = strstr(text, "BITS-Session-Id: ");
    if (!id || sscanf(id, "%*s %63s", session) != 1)
        fail("no session");
    for (off_t at = 0, step = atoll(argv[3]); at < status.st_size; at += step) {
        off_t length = status.st_size - at < step ? status.st_size - at : step;
        say(to, head, snprintf(head, sizeof head,
            "BITS_POST /bound HTTP/1.1\r\nHost: bound\r\n"
            "BITS-Packet-Type: Fragment\r\nBITS-Session-Id: %s\r\n"
            "Content-Range: bytes %lld-%lld/%lld\r\nContent-Length: %lld\r\n\r\n",
            session, (long long)at, (long long)(at + length - 1),
            (long long)status.st_size, (long long)length));
        bytes(to, from, at, length);
        answer(to);
    }
    return 0;
}
