/* Takes TLS 1.3 off and hands the bytes on, a process a connection.
 * usage: tls_front CERTIFICATE_AND_KEY PORT; prints its own port */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Many records at a time: each hand-over costs a system call. */
#define BUFFER_BYTES (256 << 10)

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in address = {0};

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)port);
    return address;
}

static int without_delay(int socket)
{
    int yes = 1;

    if (socket < 0 || setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes))
        fail("socket");
    return socket;
}

static int connected(unsigned port)
{
    struct sockaddr_in address = loopback(port);
    int sink = without_delay(socket(AF_INET, SOCK_STREAM, 0));

    if (connect(sink, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    return sink;
}

/* All that has come, decrypted; 0 at the end. */
static int hand_on(SSL *client, int sink, char *buffer)
{
    int filled = 0;

    do {
        int count = SSL_read(client, buffer + filled, BUFFER_BYTES - filled);
        if (count <= 0)
            break;
        filled += count;
    } while (filled < BUFFER_BYTES && SSL_has_pending(client));
    for (int done = 0; done < filled;) {
        ssize_t count = send(sink, buffer + done, (size_t)(filled - done), MSG_NOSIGNAL);
        if (count <= 0)
            return 0;
        done += (int)count;
    }
    return filled;
}

static void serve(SSL_CTX *context, int socket, unsigned port)
{
    static char buffer[BUFFER_BYTES];
    SSL *client = SSL_new(context);
    int sink = connected(port);
    struct pollfd ends[2] = {{socket, POLLIN, 0}, {sink, POLLIN, 0}};

    if (!client || !SSL_set_fd(client, socket) || SSL_accept(client) != 1)
        return;
    for (;;) {
        if (!SSL_has_pending(client) && poll(ends, 2, -1) < 0)
            return;
        if ((SSL_has_pending(client) || ends[0].revents) && !hand_on(client, sink, buffer))
            return;
        if (ends[1].revents) {
            ssize_t count = recv(sink, buffer, sizeof buffer, 0);
            if (count <= 0 || SSL_write(client, buffer, (int)count) <= 0)
                return;
        }
        ends[0].revents = ends[1].revents = 0;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (argc != 3 || !context || listener < 0)
        return 2;
    signal(SIGCHLD, SIG_IGN);
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, BUFFER_BYTES);
    if (SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1
        || SSL_CTX_use_PrivateKey_file(context, argv[1], SSL_FILETYPE_PEM) != 1)
        return 2;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)
        || getsockname(listener, (struct sockaddr *)&address, &length))
        fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int socket = accept(listener, NULL, NULL);
        if (socket < 0)
            fail("accept");
        if (fork() == 0) {
            close(listener);
            serve(context, without_delay(socket), (unsigned)atoi(argv[2]));
            _exit(0);
        }
        close(socket);
    }
}
