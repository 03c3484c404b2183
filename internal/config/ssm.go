package config

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/logging"
)

// secrets are the variables that may name an SSM parameter instead of holding its value, so that no template
// and no function's configuration holds the secret.
var secrets = []string{"PULSE_REDIS_URL", "PULSE_MONITOR_REDIS_URL", "PULSE_TOKEN", alertsVariable}

// alertsVariable is a list: each item of it may name a parameter.
const alertsVariable = "PULSE_ALERTS"

const ssmPrefix = "ssm:"

// WithSSM returns a Getenv like get. For a secret variable that holds "ssm:/name" it returns the value of that
// parameter of AWS Systems Manager, which it reads once, now.
func WithSSM(ctx context.Context, get Getenv) (Getenv, error) {
	var names []string
	of := map[string][]string{} // the items of each variable that names a parameter
	for _, variable := range secrets {
		items := []string{get(variable)}
		if variable == alertsVariable {
			items = strings.Split(items[0], ",")
		}
		for i, item := range items {
			items[i] = strings.TrimSpace(item)
			if name, ok := strings.CutPrefix(items[i], ssmPrefix); ok {
				if variable == alertsVariable && !strings.HasPrefix(name, "/") { // it may be a secret
					return nil, &Error{[]error{fmt.Errorf("%s has ssm: before what is no full name of a parameter, such as ssm:/pulse/slack", variable)}}
				}
				of[variable] = items
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	if len(names) == 0 {
		return get, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{})) // there is no logger yet
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	out, err := ssm.NewFromConfig(cfg).GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: new(true)})
	if err != nil {
		return nil, fmt.Errorf("read the SSM parameters %s: %w; allow ssm:GetParameters on them", strings.Join(names, ", "), err)
	}
	values := map[string]string{}
	for _, p := range out.Parameters {
		values[aws.ToString(p.Name)+aws.ToString(p.Selector)] = aws.ToString(p.Value)
	}
	read := map[string]string{} // the variables, with the parameters' values
	for variable, items := range of {
		for i, item := range items {
			if name, ok := strings.CutPrefix(item, ssmPrefix); ok {
				if items[i], ok = values[name]; !ok {
					return nil, &Error{[]error{fmt.Errorf("%s is %q: there is no SSM parameter %s in this account and region", variable, item, name)}}
				}
			}
		}
		read[variable] = strings.Join(items, ",")
	}
	return func(variable string) string {
		if value, ok := read[variable]; ok {
			return value
		}
		return get(variable)
	}, nil
}
