"""What the three kinds of files may say: agents, toolkits, workflows; and the path `${{ }}` they share."""
