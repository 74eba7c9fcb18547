"""What a preview says, in words for reviewers."""
