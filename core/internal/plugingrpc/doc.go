// Package plugingrpc translates between the hand-written Go types of core/sdk and
// the generated ones of core/sdk/proto, both ways and on both ends: clients that
// implement the SDK's interfaces over a gRPC connection, and servers that offer an
// implementation of them. Authors of plugins and the engine never see a generated
// type, so either side can change without the other.
//
// It knows nothing of processes, handshakes or supervision.
package plugingrpc
