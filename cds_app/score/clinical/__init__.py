"""Published clinical scores with their parts, each as far as the record can say."""
