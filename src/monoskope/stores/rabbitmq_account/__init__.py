"""Users of RabbitMQ, whose password is set by its salted hash (docs/stores/rabbitmq-account.md)."""
