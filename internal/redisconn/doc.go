// Package redisconn is the one way to reach any Redis: one server, a cluster, or what Sentinels
// watch. [Parse] reads where it is, [Address.Client] connects.
//
// It also knows what everything that asks Redis needs: which nodes hold keys ([Masters]), how a batch
// of commands keeps the error of each to itself ([Exec]), and what a refusal is ([IsRefusal]).
package redisconn
