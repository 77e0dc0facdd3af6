/*
 * client.h: the run of a client: dial, then a session
 */
#ifndef CLIENT_H
#define CLIENT_H

struct client;
struct run;

/*
 * Starts connecting to the endpoint of the run's options. Where that fails
 * the run is ended, now or from the loop, and the failure told. Returns NULL
 * where the run has been ended already.
 */
struct client *client_start(struct run *run);
void client_free(struct client *client);

#endif
