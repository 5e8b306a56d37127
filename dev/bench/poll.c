/* What the system calls cost by themselves: idle and ready socket pairs, poll(2) and epoll_wait(2).
   Usage: poll <members> <ready>; prints nanoseconds per call: poll, then epoll_wait. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#define ROUNDS 31

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 0, ready = argc > 2 ? atoi(argv[2]) : 0;
    if (n < 1 || ready < 0 || ready > n) {
        fprintf(stderr, "usage: poll <members> <ready>\n");
        return 2;
    }
    struct pollfd *fds = calloc(n, sizeof *fds);
    struct epoll_event *events = calloc(n, sizeof *events);
    int epoll = epoll_create1(0);
    for (int i = 0; i < n; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
            perror("socketpair");
            return 1;
        }
        fds[i].fd = pair[0];
        fds[i].events = POLLIN;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = pair[0]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &e);
        if (i < ready && write(pair[1], "x", 1) != 1) {
            perror("write");
            return 1;
        }
    }
    int calls = n >= 1000 ? 5 : n >= 100 ? 200 : 2000;
    double took[2][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double t0 = now();
        for (int i = 0; i < calls; i++)
            if (poll(fds, n, 0) != ready) return 1;
        double t1 = now();
        for (int i = 0; i < calls; i++)
            if (epoll_wait(epoll, events, n, 0) != ready) return 1;
        double t2 = now();
        took[0][round] = (t1 - t0) / calls;
        took[1][round] = (t2 - t1) / calls;
    }
    qsort(took[0], ROUNDS, sizeof(double), compare);
    qsort(took[1], ROUNDS, sizeof(double), compare);
    printf("%.0f %.0f\n", took[0][ROUNDS / 4], took[1][ROUNDS / 4]);
    return 0;
}
