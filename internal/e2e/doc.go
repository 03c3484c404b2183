// Package e2e runs the programs as they are shipped, together, against real servers: what a user
// would see of them, from a queue to the view.
package e2e
