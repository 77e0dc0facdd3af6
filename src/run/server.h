/*
 * server.h: the run of a listener: bind, accept, then a session
 */
#ifndef SERVER_H
#define SERVER_H

struct run;
struct server;

/*
 * Starts listening as the run's options say. Where that fails the run is
 * ended, now or from the loop, and the failure told. Returns NULL where the
 * run has been ended already.
 */
struct server *server_start(struct run *run);

/* Closes what still listens and removes a Unix path that is ours. */
void server_free(struct server *server);

#endif
