"""Use cases for whoever checks the record: questions, reports, proofs, exports."""
