"""The log and its consumer groups in memory, under the same contract."""
