/*
 * serve.h: chooses what a connection's data goes to, and starts that
 */
#ifndef SERVE_H
#define SERVE_H

struct connection;
struct local;
struct local_request;
struct run;

/*
 * Starts what the run's options say. Returns NULL with errno when it could
 * not; the socket is closed then too.
 */
struct local *serve_start(const struct local_request *request);

/*
 * Moves data between the socket, which it takes, and the local side; the run
 * ends with that.
 */
void serve_connection(struct run *run, const struct connection *connection);

#endif
