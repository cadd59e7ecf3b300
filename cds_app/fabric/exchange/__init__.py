"""What comes beside the calls: exports, notifications, lines of JSON, resources of many patients."""
