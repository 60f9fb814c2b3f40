// Package membercluster takes members from the MemberClusters of the host cluster and the kubeconfigs in their Secrets,
// and reports in their status what the syncer sees of them (K1 to K5).
//
// It decides nothing about records: the members join those of the configuration file (config.Config.WithMembers), and
// the status is made from the snapshots that the loops publish.
package membercluster
