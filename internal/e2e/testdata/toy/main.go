// Command toy is the smallest Lambda function with our libraries: it links them and does nothing with them. The
// benchmark compares the cold starts of the real functions with its own.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		os.Exit(1)
	}
	queues := sqs.NewFromConfig(cfg)
	store := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	lambda.Start(func(ctx context.Context) error {
		if _, err := queues.ListQueues(ctx, nil); err != nil {
			return err
		}
		return store.Ping(ctx).Err()
	})
}
