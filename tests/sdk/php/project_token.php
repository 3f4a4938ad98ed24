<?php
// The source system's own form: the caller's key in Authorization, the project's token beside it.
require 'vendor/autoload.php';

$client = new GuzzleHttp\Client([
    'base_uri' => 'http://127.0.0.1:8000/v1/',
    'headers' => ['Authorization' => 'Bearer sk-callers-own-key', 'X-Project-Token' => $argv[1]],
]);
$response = $client->post('chat/completions', ['json' => ['model' => 'gpt-4o-mini', 'messages' => [['role' => 'user', 'content' => 'Say hello']]]]);
echo json_decode($response->getBody(), true)['choices'][0]['message']['content'], "\n";
echo $response->getHeaderLine('x-tallystick-request-id'), "\n";
