// Package e2e tests the programs as they are shipped, together, against real servers. Its tests check what a user
// sees, from a queue to the view.
package e2e
