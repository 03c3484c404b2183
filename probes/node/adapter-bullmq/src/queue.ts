import { isClient, type RedisClient } from '@gravito/pulse-protocol/publish'
